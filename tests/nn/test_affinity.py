"""Affinities equal their formula, and nobody hears an attached person."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from graphfuse.errors import InvalidOption, NonFinite
from graphfuse.graph.population import PopulationGraph
from graphfuse.nn.affinity import correlation_affinity, one_way, shared_phenotypes, strongest
from graphfuse.nn.population import Population


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(9, 5, dtype=torch.float64)


def test_the_affinity_equals_a_loop_with_the_sigma_of_the_fitted(x):
    rho = 1 - np.corrcoef(x.numpy())[:, :6]
    expected = np.exp(-(rho**2) / (2 * rho[:6].mean() ** 2))
    np.testing.assert_allclose(correlation_affinity(x, 6), expected, rtol=1e-12)


def test_strongest_of_affinity_times_agreement_is_the_population_graph(x):
    sites = pd.DataFrame({"site": list("aabbaabbb")})
    graph = PopulationGraph(same=("site",), neighbours=2).fit(x.float(), sites)
    same = torch.as_tensor(np.equal.outer(sites["site"].to_numpy(), sites["site"].to_numpy())).float()
    weight = correlation_affinity(x.float(), 9) * same.fill_diagonal_(0)
    torch.testing.assert_close(one_way(strongest(weight, 2)).to_dense(), graph.adjacency().to_dense())


def test_attached_people_change_no_row_and_no_degree_of_the_fitted(x):
    whole = one_way(strongest(correlation_affinity(x, 6), 3))
    alone = one_way(strongest(correlation_affinity(x[:6], 6), 3))
    one = one_way(strongest(correlation_affinity(x[[*range(6), 8]], 6), 3))
    dense = whole.to_dense()[0]
    torch.testing.assert_close(dense[:6, :6], alone.to_dense()[0])
    torch.testing.assert_close(whole.degree()[:, :6], alone.degree())
    torch.testing.assert_close(dense[8, :6], one.to_dense()[0, 6, :6])
    assert not dense[:, 6:].any()


@pytest.mark.parametrize("k", [None, 6, 100])
def test_as_many_as_there_are_leaves_all(x, k):
    weight = correlation_affinity(x, 6)
    assert torch.equal(strongest(weight, k), weight)


def test_gradients_equal_finite_differences(x):
    x = x[:5].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: strongest(correlation_affinity(x, 4), 2), (x,))


def test_people_who_are_all_alike_and_constant_rows_stay_finite():
    x = torch.ones(4, 3)
    assert torch.isfinite(correlation_affinity(x, 3)).all()
    x = torch.tensor([[1.0, 2.0, 3.0]]).repeat(4, 1)
    torch.testing.assert_close(correlation_affinity(x, 3), torch.ones(4, 3))


def _population(agreement: torch.Tensor, fitted: int) -> Population:
    inputs = {"a": SimpleNamespace(x=torch.zeros(len(agreement), 1))}
    return Population(inputs, agreement=agreement, fitted=fitted)


def test_phenotypes_that_are_shared_are_counted_and_none_counts_as_one():
    agreement = torch.tensor([[0.0, 2.0, 0.0], [2.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    assert shared_phenotypes(_population(agreement, 2)).tolist() == [[0, 2], [2, 0], [1, 0]]
    assert shared_phenotypes(_population(torch.zeros(3, 3), 2)).tolist() == [[0, 1], [1, 0], [1, 1]]


def test_what_is_not_finite_and_what_is_no_number_of_people_are_refused(x):
    with pytest.raises(NonFinite, match="x"):
        correlation_affinity(x * float("nan"), 2)
    for fitted in (0, 10):
        with pytest.raises(InvalidOption, match="fitted"):
            correlation_affinity(x, fitted)
    with pytest.raises(InvalidOption, match="k must"):
        strongest(correlation_affinity(x, 6), 0)
