from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from sklearn.metrics import roc_auc_score

import graphfuse as gf
from graphfuse.graph.rows import Rows
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.conv import ChebConv
from graphfuse.nn.population import Population
from graphfuse.systems import make_system
from graphfuse.systems.kipf import KipfNetwork


def ring(n=6) -> torch.Tensor:
    weight = torch.roll(torch.eye(n), 1, 1)
    return weight + weight.T


@pytest.fixture
def population() -> Population:
    x = torch.randn(6, 4)
    return Population(
        {"a": Rows(x, torch.ones(6, dtype=torch.bool))}, {"all": Adjacency.from_dense(ring()[None])}, fitted=6
    )


def test_it_is_two_renormalised_products(population):
    network = KipfNetwork({"a": (4,), "phenotypes": (0,)}, 2, hidden=3).eval()
    first, second = network.convs
    operator = (ring() + torch.eye(6)) / 3  # every degree of A + I is 3
    hidden = torch.relu(operator @ population.x @ first.lin.weight.T + first.bias)
    torch.testing.assert_close(network(population), operator @ hidden @ second.lin.weight.T + second.bias)


def test_people_beyond_two_edges_are_not_heard(population):
    network = KipfNetwork({"a": (4,), "phenotypes": (0,)}, 2).eval()
    x = population.inputs["a"].x.clone().requires_grad_()
    heard = Population({"a": Rows(x, population.inputs["a"].present)}, population.graphs, fitted=6)
    network(heard)[0].sum().backward()
    assert x.grad[3].abs().max() == 0  # the other side of the ring
    assert (x.grad[[0, 1, 2, 4, 5]].abs().amax(1) > 0).all()


def test_without_the_trick_it_is_a_chebyshev_polynomial_of_order_one(population):
    """``X W + D^-1/2 A D^-1/2 X W``, the step before the renormalisation, by ``W0 = W, W1 = -W``."""
    conv, weight = ChebConv(4, 3, 1), torch.randn(3, 4)
    with torch.no_grad():
        conv.lins[0].weight.copy_(weight)
        conv.lins[1].weight.copy_(-weight)
    x = population.x
    expected = x @ weight.T + ring() / 2 @ x @ weight.T + conv.bias
    torch.testing.assert_close(conv(x[None], population.graphs["all"])[0], expected)


def test_it_learns_a_planted_effect(cohort):
    """Of the vector alone: among all modalities 300 features of noise blur who is like whom."""
    people = replace(cohort, signals={"aseg": cohort.signals["aseg"]})
    result = gf.cross_validate(make_system("kipf", people), people, gf.Splits(folds=4), baselines="none")
    assert roc_auc_score(result.predictions["y_true"], result.predictions["p_patient"]) > 0.71  # 2.5 sd over chance
