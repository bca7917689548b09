from __future__ import annotations

from math import ceil

import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.base import clone

from graphfuse.errors import InvalidOption, NegativeWeights, NonFinite
from graphfuse.graph import sparsify
from graphfuse.graph.backbone import DisparityFilter, SpanningDensity, disparity, spanning_tree
from graphfuse.graph.sparsify import TopDensity

BOTH = [SpanningDensity(0.3), DisparityFilter(0.2)]


@pytest.fixture
def matrices():
    x = torch.randn(4, 9, 9, generator=torch.Generator().manual_seed(0))
    return x + x.mT


def _edges(matrix):
    return {(i, j) for i, j in matrix.nonzero().tolist() if i < j}


def _kruskal(strength, nodes):
    """The spanning forest by a loop: strongest first, the earlier of two equals first, 0 is no edge."""
    pairs = sorted(((i, j) for i in nodes for j in nodes if i < j), key=lambda p: -float(strength[p]))
    group, kept = {i: i for i in nodes}, set()
    for i, j in pairs:
        if group[i] != group[j] and strength[i, j] > 0:
            kept.add((i, j))
            group = {n: group[i] if g == group[j] else g for n, g in group.items()}
    return kept


def _expected(strength, density, nodes):
    """The tree, then the strongest others until the density is reached."""
    kept = _kruskal(strength, nodes)
    pairs = [(i, j) for i in nodes for j in nodes if i < j and (i, j) not in kept and strength[i, j] > 0]
    missing = ceil(density * len(nodes) * (len(nodes) - 1) / 2 - 1e-9) - len(kept)
    return kept | set(sorted(pairs, key=lambda p: -float(strength[p]))[: max(missing, 0)])


def test_the_tree_weighs_as_much_as_networkxs():
    x = torch.rand(5, 30, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = x + x.mT
    for matrix, tree in zip(x, spanning_tree(x), strict=True):
        graph = nx.from_numpy_array(1 / matrix.numpy())
        reference = nx.minimum_spanning_tree(graph)
        assert _edges(tree) == {(min(e), max(e)) for e in reference.edges}
        assert float(matrix[tree].sum()) / 2 == pytest.approx(sum(1 / w for *_, w in reference.edges.data("weight")))


@pytest.mark.parametrize("density", [0.01, 0.25, 0.5, 1.0])
def test_the_tree_and_the_strongest_edges_are_kept(matrices, density):
    for got, matrix in zip(SpanningDensity(density)(matrices), matrices.abs(), strict=True):
        assert _edges(got) == _expected(matrix, density, range(9))
        assert nx.is_connected(nx.from_numpy_array(got.numpy()))
        torch.testing.assert_close(got[got != 0], matrix[got != 0], rtol=0, atol=0)


@pytest.mark.parametrize("seed", range(5))
def test_equal_weights_are_taken_in_order(seed):
    x = torch.randint(0, 3, (3, 8, 8), generator=torch.Generator().manual_seed(seed)).float().triu(1)
    x = x + x.mT
    for got, matrix in zip(SpanningDensity(0.4)(x), x, strict=True):
        assert _edges(got) == _expected(matrix, 0.4, range(8))
    assert _edges(SpanningDensity(0.01)(torch.ones(1, 4, 4))[0]) == {(0, 1), (0, 2), (0, 3)}


def test_a_tree_with_more_edges_than_the_density_stays_whole(matrices):
    assert (SpanningDensity(0.05)(matrices).count_nonzero((1, 2)) == 2 * 8).all()


def test_weights_of_zero_join_nothing():
    x = torch.zeros(1, 5, 5)
    x[0, 0, 1] = x[0, 1, 0] = x[0, 2, 3] = x[0, 3, 2] = 0.5
    assert _edges(SpanningDensity(1.0)(x)[0]) == {(0, 1), (2, 3)}  # two groups, and node 4 alone
    assert not SpanningDensity(0.5)(torch.zeros(1, 5, 5)).any()


def test_the_tree_spans_the_usable_nodes(matrices):
    nodes = np.ones((4, 9), bool)
    nodes[1, [0, 5, 7]] = False
    matrices[1, 5] = matrices[1, :, 5] = torch.nan
    got = SpanningDensity(0.4)(matrices, nodes)
    assert _edges(got[1]) == _expected(matrices[1].abs(), 0.4, [1, 2, 3, 4, 6, 8])
    assert _edges(got[0]) == _expected(matrices[0].abs(), 0.4, range(9))


def test_a_dense_graph_has_the_edges_of_top_density(matrices):
    assert torch.equal(SpanningDensity(1.0)(matrices), TopDensity(1.0)(matrices))


def _backbone(matrix, alpha, nodes):
    """Serrano's filter by loops."""
    kept = set()
    for i in nodes:
        weights = {j: abs(float(matrix[i, j])) for j in nodes if j != i and matrix[i, j] != 0}
        for j, w in weights.items():
            if len(weights) > 1 and (1 - w / sum(weights.values())) ** (len(weights) - 1) < alpha:
                kept.add((min(i, j), max(i, j)))
    return kept


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.3, 1.0])
def test_the_disparity_filter_equals_a_loop(matrices, alpha):
    matrices = torch.where(matrices.abs() > 0.5, matrices**3, 0)
    nodes = torch.ones(4, 9, dtype=torch.bool)
    nodes[2, 3] = False
    for got, matrix, usable in zip(DisparityFilter(alpha)(matrices, nodes), matrices, nodes, strict=True):
        assert _edges(got) == _backbone(matrix, alpha, usable.nonzero()[:, 0].tolist())


def test_the_only_edge_of_a_node_needs_the_other_end():
    star = torch.zeros(1, 5, 5)
    star[0, 0, 1:] = star[0, 1:, 0] = torch.tensor([10.0, 1.0, 1.0, 1.0])
    assert _edges(DisparityFilter(0.05)(star)[0]) == {(0, 1)}  # (1 - 10/13)^3 = 0.012
    pair = torch.zeros(1, 3, 3)
    pair[0, 0, 1] = pair[0, 1, 0] = 1
    assert not DisparityFilter(1.0)(pair).any()


def test_shares_of_the_largest_numbers_do_not_overflow():
    x = torch.full((1, 4, 4), 1e308, dtype=torch.float64)
    torch.testing.assert_close(disparity(x), torch.full_like(x, 0.75**3))


@pytest.mark.parametrize("sparsifier", BOTH, ids=repr)
def test_the_result_is_symmetric_hollow_and_each_subjects_own(sparsifier, matrices, monkeypatch):
    got = sparsifier(matrices)
    assert got.any()
    assert torch.equal(got, got.mT)
    assert not got.diagonal(dim1=1, dim2=2).any()
    assert torch.equal(sparsifier(matrices[2:3]), got[2:3])
    monkeypatch.setattr(sparsify, "CHUNK_NUMBERS", 1)
    assert torch.equal(sparsifier(matrices), got)


@pytest.mark.parametrize("make", [SpanningDensity, DisparityFilter])
def test_negative_weights(make, matrices):
    absolute, keep, positive = (make(0.4, signed=signed)(matrices) for signed in ("absolute", "keep", "positive"))
    assert torch.equal(absolute, keep.abs())
    assert (keep < 0).any()
    assert torch.equal(positive, make(0.4)(matrices.relu()))
    with pytest.raises(NegativeWeights, match="positive"):
        make(0.4, signed="error")(matrices)


@pytest.mark.parametrize("sparsifier", BOTH, ids=repr)
def test_gradients_reach_the_kept_weights(sparsifier, matrices):
    matrices.requires_grad_()
    got = sparsifier(matrices)
    got.sum().backward()
    assert torch.equal(matrices.grad.triu(1) != 0, (got != 0).triu(1))


@pytest.mark.parametrize("sparsifier", BOTH, ids=repr)
@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 1, 1), (2, 0, 0)])
def test_graphs_without_edges(sparsifier, shape):
    assert sparsifier(torch.zeros(shape)).shape == shape


def test_parameters_are_scikit_learns():
    assert clone(SpanningDensity(0.2, "keep")).set_params(density=0.5).get_params() == {
        "density": 0.5,
        "signed": "keep",
    }
    assert clone(DisparityFilter(0.2)).get_params() == {"alpha": 0.2, "signed": "absolute"}


def test_errors_are_named(matrices):
    with pytest.raises(InvalidOption, match="density"):
        SpanningDensity(0)(matrices)
    with pytest.raises(InvalidOption, match="alpha"):
        DisparityFilter(1.1)(matrices)
    with pytest.raises(InvalidOption, match="signed"):
        DisparityFilter(signed="abs")(matrices)
    matrices[0, 1, 2] = torch.nan
    with pytest.raises(NonFinite, match="nodes"):
        SpanningDensity()(matrices)
