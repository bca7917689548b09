from __future__ import annotations

from math import ceil

import numpy as np
import pytest
import torch
from sklearn.base import clone

from graphfuse.errors import InvalidOption, NegativeWeights, NonFinite, ShapeMismatch
from graphfuse.graph import sparsify as module
from graphfuse.graph.sparsify import KNearest, Threshold, TopDensity

SPARSIFIERS = [TopDensity(0.3), Threshold(0.5), KNearest(2)]


@pytest.fixture
def matrices():
    x = torch.randn(4, 9, 9, generator=torch.Generator().manual_seed(0))
    return x + x.mT


def _edges(matrices):
    return [{(i, j) for i, j in m.nonzero().tolist() if i < j} for m in matrices]


def _strongest(matrix, count, nodes=None):
    """By a loop: the strongest edges, the earlier of two equals first."""
    nodes = range(len(matrix)) if nodes is None else nodes
    pairs = [(i, j) for i in nodes for j in nodes if i < j]
    return set(sorted(pairs, key=lambda p: -abs(float(matrix[p])))[:count])


@pytest.mark.parametrize("density", [0.01, 0.1, 0.25, 1 / 3, 0.5, 1.0])
def test_the_strongest_edges_are_kept(matrices, density):
    got = TopDensity(density)(matrices)
    assert _edges(got) == [_strongest(m, ceil(density * 36)) for m in matrices]
    torch.testing.assert_close(got[got != 0], matrices.abs()[got != 0])


@pytest.mark.parametrize(("density", "regions", "count"), [(0.1, 4, 1), (0.3, 5, 3), (0.7, 5, 7), (0.1, 25, 30)])
def test_rounding_adds_no_edge(density, regions, count):
    got = TopDensity(density)(torch.ones(1, regions, regions))
    assert len(_edges(got)[0]) == count


def test_equals_are_kept_in_order():
    got = TopDensity(0.5)(torch.ones(2, 4, 4))
    assert _edges(got) == [{(0, 1), (0, 2), (0, 3)}] * 2


def test_density_is_of_the_usable_nodes(matrices):
    nodes = np.ones((4, 9), bool)
    nodes[1, [0, 5, 7]] = False
    matrices[1, 5] = matrices[1, :, 5] = torch.nan
    got = TopDensity(0.4)(matrices, nodes)
    assert _edges(got)[1] == _strongest(matrices[1], ceil(0.4 * 15), [1, 2, 3, 4, 6, 8])
    assert _edges(got)[0] == _strongest(matrices[0], ceil(0.4 * 36))


@pytest.mark.parametrize("sparsifier", SPARSIFIERS, ids=repr)
def test_the_result_is_symmetric_hollow_and_of_usable_nodes(sparsifier, matrices, monkeypatch):
    nodes = torch.ones(4, 9, dtype=torch.bool)
    nodes[2, 3] = False
    got = sparsifier(matrices, nodes)
    assert got.any()
    torch.testing.assert_close(got, got.mT, rtol=0, atol=0)
    assert not got.diagonal(dim1=1, dim2=2).any()
    assert not got[2, 3].any()
    torch.testing.assert_close(sparsifier(matrices[2:3], nodes[2:3]), got[2:3])  # the other subjects do not matter
    monkeypatch.setattr(module, "CHUNK_NUMBERS", 1)
    torch.testing.assert_close(sparsifier(matrices, nodes), got)


@pytest.mark.parametrize("make", [TopDensity, Threshold, KNearest])
def test_negative_weights(make, matrices):
    absolute, keep, positive = (make(signed=signed)(matrices) for signed in ("absolute", "keep", "positive"))
    torch.testing.assert_close(absolute, keep.abs())
    torch.testing.assert_close(absolute, make(signed="error")(matrices.abs()))
    torch.testing.assert_close(positive, make(signed="absolute")(matrices.relu()))
    assert (keep < 0).any()
    assert (positive >= 0).all()
    with pytest.raises(NegativeWeights, match="positive"):
        make(signed="error")(matrices)


def test_positive_ranks_after_negatives_were_dropped():
    matrix = torch.tensor([[0, -0.9, 0.2], [-0.9, 0, 0.1], [0.2, 0.1, 0]])[None]
    assert _edges(TopDensity(0.3, "positive")(matrix)) == [{(0, 2)}]
    assert _edges(TopDensity(1.0, "positive")(matrix)) == [{(0, 2), (1, 2)}]  # a weight of 0 is no edge


def test_threshold_keeps_what_reaches_it():
    matrix = torch.tensor([[1, -0.5, 0.2], [-0.5, 1, 0.5], [0.2, 0.5, 1]])[None]
    assert _edges(Threshold(0.5, "keep")(matrix)) == [{(0, 1), (1, 2)}]


@pytest.mark.parametrize("k", [1, 3, 50])
def test_k_nearest_equals_a_loop(matrices, k):
    for edges, m in zip(_edges(KNearest(k)(matrices)), matrices.abs(), strict=True):
        expected = set()
        for i in range(9):
            nearest = sorted((j for j in range(9) if j != i), key=lambda j: -float(m[i, j]))[:k]
            expected |= {(min(i, j), max(i, j)) for j in nearest}
        assert edges == expected


def test_gradients_reach_the_kept_weights(matrices):
    matrices.requires_grad_()
    got = TopDensity(0.2, "keep")(matrices)
    got.sum().backward()
    torch.testing.assert_close(matrices.grad.triu(1), 2.0 * (got != 0).triu(1))


def test_parameters_are_scikit_learns():
    sparsifier = clone(TopDensity(0.2, "keep")).set_params(density=0.5)
    assert sparsifier.get_params() == {"density": 0.5, "signed": "keep"}


def test_errors_are_named(matrices):
    with pytest.raises(InvalidOption, match="density"):
        TopDensity(0)(matrices)
    with pytest.raises(InvalidOption, match="density"):
        TopDensity(1.5)(matrices)
    with pytest.raises(InvalidOption, match="value"):
        Threshold(0)(matrices)
    with pytest.raises(InvalidOption, match="k must"):
        KNearest(0)(matrices)
    with pytest.raises(InvalidOption, match="signed"):
        TopDensity(signed="abs")(matrices)
    with pytest.raises(ShapeMismatch, match="nodes"):
        TopDensity()(matrices, torch.ones(4, 8))
    with pytest.raises(ShapeMismatch, match="matrices"):
        TopDensity()(matrices[:, :5])
    matrices[0, 1, 2] = torch.nan
    with pytest.raises(NonFinite, match="nodes"):
        TopDensity()(matrices)


@pytest.mark.parametrize("sparsify", SPARSIFIERS)
def test_a_matrix_that_is_not_symmetric_is_refused(sparsify, matrices):
    with pytest.raises(ShapeMismatch, match=r"W \+ W\.mT"):
        sparsify(matrices.triu())


def _by_stable_sort(values, counts):
    """Which entries of values (n, P) a full stable sort would take first."""
    order = values.argsort(dim=1, descending=True, stable=True)
    taken = torch.arange(values.shape[1]) < counts[:, None]
    return torch.zeros_like(taken).scatter_(1, order, taken)


@pytest.mark.parametrize("levels", [1, 2, 5, 1000])
def test_ties_fall_as_in_a_stable_sort(levels):
    x = torch.randint(0, levels, (6, 12, 12), generator=torch.Generator().manual_seed(levels)).float() / levels
    x = (x.triu(1) + x.triu(1).mT) * torch.tensor([1, 1, 1, -1, 1, 0])[:, None, None]
    nodes = torch.rand(6, 12, generator=torch.Generator().manual_seed(0)) < 0.8
    pairs = nodes[:, :, None] & nodes[:, None] & ~torch.eye(12, dtype=torch.bool)
    strength = torch.where(pairs, x.abs(), -1)
    row, column = torch.triu_indices(12, 12, 1)
    for density in (0.05, 0.3, 1.0):
        counts = torch.tensor([ceil(density * n - 1e-9) for n in (pairs.sum((1, 2)) // 2).tolist()])
        expected = _by_stable_sort(strength[:, row, column], counts) & (strength[:, row, column] > 0)
        assert torch.equal(TopDensity(density)(x, nodes)[:, row, column] != 0, expected)
    for k in (1, 4, 12):
        chosen = _by_stable_sort(strength.flatten(0, 1), torch.full((72,), k)).view(6, 12, 12) & pairs
        assert torch.equal(KNearest(k)(x, nodes) != 0, (chosen | chosen.mT) & (x != 0))


def test_half_precision_and_integers_are_ranked_too():
    x = torch.arange(36).view(1, 6, 6)
    x = x + x.mT
    expected = _edges(TopDensity(0.3)(x.float()))
    for dtype in (torch.bfloat16, torch.float16, torch.int64):
        assert _edges(TopDensity(0.3)(x.to(dtype))) == expected
