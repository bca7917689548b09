from __future__ import annotations

import builtins

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.graph import nearest
from graphfuse.graph.nearest import agreeing, approximate, exact, onto, symmetric
from graphfuse.kernels.codes import Codes, agreement
from graphfuse.kernels.topk import strongest_reference


def people(n: int, seed: int = 0, clusters: int = 12) -> tuple[torch.Tensor, Codes, float]:
    """Clustered rows of length 1, phenotypes, and 1 / (2 sigma^2) with sigma the mean of 1 - correlation."""
    draw = np.random.default_rng(seed)
    centres = 1 + np.random.default_rng(9).standard_normal((clusters, 24))
    x = torch.as_tensor(centres[draw.integers(0, clusters, n)] + draw.standard_normal((n, 24)), dtype=torch.float32)
    units = torch.nn.functional.normalize(x - x.mean(1, keepdim=True))
    sigma = float(1 - units.mean(0).square().sum())
    quantities = draw.uniform(5, 60, (1, n)).astype(np.float32)
    categories = torch.as_tensor(np.stack([draw.integers(-1, 6, n), draw.integers(0, 2, n)])).int()
    return units, Codes(categories, torch.as_tensor(quantities), torch.tensor([6.0])), 1 / (2 * sigma**2)


def dense(units, codes, scale, k):
    dots = (units @ units.T).fill_diagonal_(-1e9)
    return strongest_reference(dots, codes, codes, scale, k)


def recall(found, wanted) -> float:
    """Share of the true neighbours that were found."""
    true = wanted[1] > 0
    return float((wanted[0][:, :, None] == found[0][:, None, :]).any(2)[true].float().mean())


@pytest.mark.parametrize("tile", [1000, 128, 33])
def test_exact_is_the_dense_definition_for_every_tile(tile):
    units, codes, scale = people(300)
    source, weight = exact(units, codes, scale, 10, tile)
    wanted = dense(units, codes, scale, 10)
    torch.testing.assert_close(weight, wanted[1], atol=1e-6, rtol=0)
    assert recall((source, weight), wanted) == 1


def test_new_people_hear_the_nearest_fitted_ones():
    units, codes, scale = people(200)
    new, new_codes, _ = people(9, seed=1)
    source, weight = onto(new, new_codes, units, codes, scale, 5, 64)
    wanted = strongest_reference(new @ units.T, new_codes, codes, scale, 5)
    torch.testing.assert_close(weight, wanted[1], atol=1e-6, rtol=0)
    assert torch.equal(source, wanted[0])


def test_candidates_are_weighed_as_in_the_exact_search(monkeypatch):
    """With all people as candidates nothing is lost."""
    units, codes, scale = people(200)
    everybody = torch.arange(200, dtype=torch.int32).expand(200, 200).contiguous()
    monkeypatch.setattr(nearest, "_candidates", lambda *_: everybody)
    found = approximate(units, codes, scale, 10)
    wanted = dense(units, codes, scale, 10)
    torch.testing.assert_close(found[1], wanted[1], atol=1e-6, rtol=0)
    assert torch.equal(found[0], wanted[0])


def test_candidates_that_are_nearest_by_correlation_and_agreement_hold_nearly_all_neighbours(monkeypatch):
    """What the choice of candidates loses by itself, NN-descent aside; by correlation alone most would be lost."""
    units, codes, scale = people(2000)
    wanted = dense(units, codes, scale, 10)

    def truly_nearest(x, count, _):
        length = torch.nn.functional.normalize(x)
        return (length @ length.T).topk(count).indices.int()

    monkeypatch.setattr(nearest, "_candidates", truly_nearest)
    assert recall(approximate(units, codes, scale, 10), wanted) > 0.95
    monkeypatch.setattr(nearest, "_embedded", lambda units, *_: units)
    assert recall(approximate(units, codes, scale, 10), wanted) < 0.6


@pytest.mark.slow
def test_the_approximate_search_finds_nearly_all_neighbours_and_the_same_ones_again():
    units, codes, scale = people(3000)
    found = approximate(units, codes, scale, 10)
    wanted = dense(units, codes, scale, 10)
    assert recall(found, wanted) > 0.9
    assert float(found[1].sum() / wanted[1].sum()) > 0.99
    again = approximate(units, codes, scale, 10)
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
    nothing = Codes(torch.zeros(0, 3000).int(), torch.zeros(0, 3000), torch.zeros(0))
    assert recall(approximate(units, nothing, scale, 10), dense(units, nothing, scale, 10)) > 0.98


def test_without_pynndescent_the_remedy_is_named(monkeypatch):
    true_import = builtins.__import__

    def without(name, *rest):
        if name == "pynndescent":
            raise ImportError(name)
        return true_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    units, codes, scale = people(200)
    with pytest.raises(InvalidOption, match=r"pip install graphfuse\[approximate\]"):
        approximate(units, codes, scale, 10)


def test_fewer_people_than_candidates_are_all_compared(monkeypatch):
    monkeypatch.setattr(nearest, "_candidates", None)
    units, codes, scale = people(31)
    assert all(
        torch.equal(a, b)
        for a, b in zip(approximate(units, codes, scale, 10), exact(units, codes, scale, 10), strict=True)
    )


@pytest.mark.parametrize("k", [1, 10, 59])
def test_phenotypes_alone_give_those_who_agree_most_by_position(k):
    _, codes, _ = people(60)
    codes = codes[torch.arange(60) // 2]  # people with equal phenotypes
    source, weight = agreeing(codes, k)
    count = agreement(codes, codes).fill_diagonal_(0)
    wanted, order = count.sort(dim=1, descending=True, stable=True)
    assert torch.equal(weight, wanted[:, :k])
    assert torch.equal(source[weight > 0], order[:, :k].int()[weight > 0])


def test_both_ways_is_the_larger_of_a_matrix_and_its_transpose():
    units, codes, scale = people(50)
    source, weight = exact(units, codes, scale, 4)
    one_way = torch.zeros(50, 50)
    for i in range(50):
        one_way[i, source[i].long()] = weight[i]
    edge_index, both = symmetric((source, weight))
    wanted = torch.maximum(one_way, one_way.T)
    assert torch.equal(torch.stack([edge_index[1], edge_index[0]]), wanted.nonzero().T)  # by target, then source
    assert torch.equal(both, wanted[wanted > 0])


def test_alike_people_and_rows_of_zeros_give_equal_weights_by_position():
    _, codes, _ = people(7)
    codes = Codes(codes.categories[:0], codes.quantities[:0], codes.widths[:0])
    for units, weight in ((torch.full((7, 4), 0.5), 1.0), (torch.zeros(7, 4), float(np.exp(-0.5)))):
        source, got = exact(units, codes, 0.5, 2, 3)
        assert source.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1]]
        torch.testing.assert_close(got, torch.full((7, 2), weight))
