from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from torch_geometric.data import Data

import graphfuse as gf
from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.graph.graphs import Graphs, from_networkx


def random_graphs(n=5, r=6, f=3, density=0.4, symmetric=False, offsets=None) -> Graphs:
    generator = torch.Generator().manual_seed(1)
    weight = torch.rand(n, r, r, generator=generator) * (torch.rand(n, r, r, generator=generator) < density)
    weight = weight + weight.mT if symmetric else weight
    n_subjects = n if offsets is None else len(offsets) - 1
    present = torch.ones(n_subjects, dtype=torch.bool)
    x, nodes = torch.randn(n, r, f, generator=generator), torch.ones(n, r, dtype=torch.bool)
    return Graphs(x, gf.Adjacency.from_dense(weight), nodes, present, offsets)


@pytest.mark.parametrize("density", [0.1, 0.9])
def test_pyg_round_trip(density):
    graphs = random_graphs(density=density)
    items = graphs.to_pyg(y=[0, 1, 0, 1, 1], pos=np.arange(18.0).reshape(6, 3))
    for item in items:
        item.validate(raise_on_error=True)
    assert [int(item.y) for item in items] == [0, 1, 0, 1, 1]
    assert items[0].pos.shape == (6, 3)
    back = Graphs.from_pyg(items)
    assert torch.equal(back.x, graphs.x)
    assert torch.equal(back.adjacency.to_dense(), graphs.adjacency.to_dense())


def test_pyg_edges_run_from_source_to_target():
    weight = torch.zeros(1, 3, 3)
    weight[0, 2, 0] = 0.5  # node 2 listens to node 0
    one = torch.ones(1, dtype=torch.bool)
    graphs = Graphs(torch.zeros(1, 3, 1), gf.Adjacency.from_dense(weight), torch.ones(1, 3, dtype=torch.bool), one)
    (item,) = graphs.to_pyg()
    assert item.edge_index.tolist() == [[0], [2]]
    assert item.edge_weight.tolist() == [0.5]


def test_from_pyg_counts_edges_without_weight_as_one():
    back = Graphs.from_pyg([Data(torch.zeros(3, 2), torch.tensor([[0, 1], [1, 2]]))])
    wanted = torch.zeros(3, 3)
    wanted[1, 0] = wanted[2, 1] = 1
    assert torch.equal(back.adjacency.to_dense()[0], wanted)


@pytest.mark.parametrize("symmetric", [True, False])
def test_networkx_round_trip(symmetric):
    graphs, names = random_graphs(symmetric=symmetric), list("abcdef")
    graph = graphs.to_networkx(2, names)
    assert type(graph) is (nx.Graph if symmetric else nx.DiGraph)
    assert set(graph) == set(names)
    weight = graphs.adjacency.to_dense()[2]
    for target, source in weight.nonzero().tolist():
        assert graph[names[source]][names[target]]["weight"] == pytest.approx(float(weight[target, source]))
    assert torch.equal(from_networkx(graph, names).to_dense()[0], weight)
    shuffled = names[::-1]
    assert torch.equal(from_networkx(graph, shuffled).to_dense()[0], weight.flip(0, 1))


def test_networkx_edges_without_weight_count_one():
    adjacency = from_networkx(nx.path_graph(3), [0, 1, 2])
    assert adjacency.to_dense()[0].tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("rows", [2, [3, 0], slice(1, 4), np.array([True, False, True, False, True]), -1])
def test_rows_are_subjects(rows):
    graphs, wanted = random_graphs(), np.atleast_1d(np.arange(5)[rows])
    taken = graphs[rows]
    assert len(taken) == len(wanted)
    assert torch.equal(taken.x, graphs.x[wanted])
    assert torch.equal(taken.adjacency.to_dense(), graphs.adjacency.to_dense()[wanted])


def test_rows_of_windows_take_each_subject_with_all_his_graphs():
    graphs = random_graphs(n=6, offsets=np.array([0, 1, 4, 6]))
    graphs = replace(graphs, present=torch.tensor([True, False, True]))
    assert len(graphs) == 3
    taken = graphs[[2, 1]]
    assert taken.offsets.tolist() == [0, 2, 5]
    assert taken.present.tolist() == [True, False]
    assert torch.equal(taken.x, graphs.x[[4, 5, 1, 2, 3]])
    assert torch.equal(taken.adjacency.to_dense(), graphs.adjacency.to_dense()[[4, 5, 1, 2, 3]])
    assert torch.equal(taken[[0]].x, graphs.x[[4, 5]])


def test_no_subject_at_all():
    for graphs in (random_graphs(), random_graphs(n=6, offsets=np.array([0, 1, 4, 6]))):
        none = graphs[[]]
        assert len(none) == 0
        assert none.x.shape == (0, 6, 3)
        assert (none.adjacency @ none.x).shape == (0, 6, 3)


def test_parts_that_do_not_fit_are_refused():
    graphs = random_graphs()
    for wrong in (
        {"nodes": torch.ones(5, 7, dtype=torch.bool)},
        {"present": torch.ones(4, dtype=torch.bool)},
        {"adjacency": gf.Adjacency.from_dense(torch.ones(4, 6, 6))},
    ):
        with pytest.raises(ShapeMismatch):
            replace(graphs, **wrong)


def test_repr_tells_the_size_and_nothing_of_the_people():
    assert repr(random_graphs(density=1.0)) == "Graphs(5 subjects, 5 graphs, 6 regions x 3 features, 100% dense)"


def test_usable_regions_that_nobody_joins_are_counted():
    weight = torch.zeros(2, 4, 4)
    weight[0, 0, 1] = weight[0, 1, 0] = 0.5
    weight[1, 3, 3] = 1.0  # a loop joins nobody
    nodes = torch.tensor([[True, True, True, True], [True, False, True, True]])
    for layout in ("dense", "sparse"):
        adjacency = gf.Adjacency.from_dense(weight, layout)
        graphs = Graphs(torch.zeros(2, 4, 1), adjacency, nodes, torch.ones(2, dtype=torch.bool))
        assert graphs.isolated().tolist() == [2, 3]


def test_pyg_data_that_do_not_fit_are_refused_by_name():
    x, index = torch.zeros(3, 2), torch.tensor([[0, 1], [1, 2]])
    with pytest.raises(ShapeMismatch, match="edge_weight"):
        Graphs.from_pyg([Data(x, index, edge_weight=torch.ones(3))])
    with pytest.raises(InvalidOption, match=r"0 \.\. 2"):
        Graphs.from_pyg([Data(x, index - 1)])
    with pytest.raises(ShapeMismatch, match="one shape"):
        Graphs.from_pyg([Data(x, index), Data(x[:2], index[:, :1])])
    with pytest.raises(ShapeMismatch, match="one or more"):
        Graphs.from_pyg([])
    with pytest.raises(NonFinite, match="node features"):
        Graphs.from_pyg([Data(x + torch.nan, index)])


def test_equal_edges_of_pyg_data_are_summed():
    item = Data(torch.zeros(2, 1), torch.tensor([[0, 0], [1, 1]]), edge_weight=torch.tensor([1.0, 2.0]))
    assert Graphs.from_pyg([item]).adjacency.to_dense()[0, 1, 0] == 3


def test_subjects_follow_each_other_with_their_windows():
    one, two = random_graphs(offsets=np.array([0, 2, 5])), random_graphs(offsets=np.array([0, 1, 5]))
    both = one.followed_by(two)
    assert both.offsets.tolist() == [0, 2, 5, 6, 10]
    assert torch.equal(both[[2]].x, two[[0]].x)
    assert torch.equal(both[[3]].adjacency.to_dense(), two[[1]].adjacency.to_dense())
    assert random_graphs().followed_by(random_graphs()).offsets is None
