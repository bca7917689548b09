from __future__ import annotations

import pytest
import torch
from torch import nn

from graphfuse.estimators.inputs import Neighbours, People, Vectors, together, whole_runs
from graphfuse.estimators.population_classifier import PopulationNetwork
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.encoder import GraphEncoder
from graphfuse.nn.stacked import stack


def generators(count):
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def people(n, width=9, layout="sparse"):
    weight = (torch.rand(n, n) < 0.3).float()
    return People(torch.randn(n, width), Adjacency.from_dense(torch.maximum(weight, weight.T), layout=layout))


def test_counts_are_rounded_up_to_whole_runs():
    assert [whole_runs(count) for count in (0, 1, 64, 65, 871)] == [0, 64, 64, 128, 896]


def test_each_model_reads_its_own_rows_of_its_own_vectors():
    parts = [Vectors(torch.randn(20, 6)) for _ in range(3)]
    rows = torch.randint(0, 20, (3, 5))
    networks = [nn.Linear(6, 2) for _ in range(3)]
    many = together(parts, networks[0])
    logits = many(stack(networks, generators(3)), rows)
    for part, network, own, said in zip(parts, networks, rows, logits, strict=True):
        torch.testing.assert_close(said, part(network, own))
    kept = torch.tensor([2, 0])
    taken = many.take(kept)(stack([networks[2], networks[0]], generators(2)), rows[kept])
    torch.testing.assert_close(taken, logits[kept])


@pytest.mark.parametrize("layout", ["sparse", "dense"])
@pytest.mark.parametrize("width", [9, 3])
@pytest.mark.parametrize("sizes", [(30, 30, 30), (30, 41, 64)])
def test_people_of_several_graphs_side_by_side_say_what_they_say_alone(sizes, width, layout):
    distinct = {n: people(n, width, layout) for n in sizes}
    parts = [distinct[n] for n in sizes]
    networks = [PopulationNetwork(GraphEncoder(width, (5,), conv="gcn"), 2) for _ in parts]
    many = together(parts, networks[0])
    assert many.adjacency.layout == layout
    assert len(many.x) == (1 if len(distinct) == 1 and width > 5 else 3)
    rows = torch.stack([torch.randint(0, n, (7,)) for n in sizes])
    logits = many(stack(networks, generators(3)), rows)
    for part, network, own, said in zip(parts, networks, rows, logits, strict=True):
        torch.testing.assert_close(said, part(network, own), atol=1e-5, rtol=1e-5)
    taken = many.take(torch.tensor([1]))(stack([networks[1]], generators(1)), rows[[1]])
    torch.testing.assert_close(taken, logits[[1]], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("conv", ["gcn", "cheb", "gat"])
def test_neighbours_say_of_their_rows_what_the_whole_graph_says(conv):
    torch.manual_seed(0)
    whole = people(90)
    network = PopulationNetwork(GraphEncoder(9, (8, 4), conv=conv, order=2), 2).eval()
    part = Neighbours(whole.x, whole.adjacency, network.encoder.hops, 7, 2, torch.Generator())
    rows = torch.tensor([5, 80, 33, 1, 60, 61, 62, 63, 64])
    torch.testing.assert_close(part(network, rows), whole(network, rows), rtol=1e-4, atol=1e-5)


def test_a_fanout_holds_while_training_alone():
    torch.manual_seed(0)
    whole = people(90)
    network = PopulationNetwork(GraphEncoder(9, (8,), conv="gcn"), 2)
    part = Neighbours(whole.x, whole.adjacency, 1, 7, 2, torch.Generator().manual_seed(0))
    rows = torch.arange(7)
    assert not torch.equal(part(network, rows), part(network, rows))
    assert torch.equal(part(network.eval(), rows), part(network, rows))
