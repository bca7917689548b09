from __future__ import annotations

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch_geometric.nn import ChebConv as PyGCheb

from graphfuse.graph.rows import Rows
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.population import Population
from graphfuse.systems import make_system
from graphfuse.systems.parisot import ROLE, ParisotNetwork


@pytest.fixture
def population() -> Population:
    weight = torch.rand(7, 7).triu(1)
    weight = weight + weight.T
    people = Rows(torch.randn(7, 5), torch.ones(7, dtype=torch.bool))
    return Population({ROLE: people}, {ROLE: Adjacency.from_dense(weight[None])}, fitted=7)


def test_it_is_two_chebyshev_convolutions_of_four_terms(population):
    network = ParisotNetwork({ROLE: (5,), "phenotypes": (0,)}, 2).eval()
    index, weight = population.graphs[ROLE].to_edge_index()
    hidden = population.x
    for conv, relu in zip(network.convs, (True, False), strict=True):
        theirs = PyGCheb(conv.in_channels, conv.out_channels, K=4)  # PyG counts terms, we count degrees
        theirs.load_state_dict(conv.state_dict())
        hidden = theirs(hidden, index, weight, lambda_max=2.0)
        hidden = hidden.relu() if relu else hidden
    torch.testing.assert_close(network(population), hidden, atol=1e-5, rtol=1e-4)


def test_a_person_is_told_apart_from_the_neighbours(population):
    """A plain GCN would give two people with the same closed neighbourhood the same answer; the first term does not."""
    network = ParisotNetwork({ROLE: (5,), "phenotypes": (0,)}, 2).eval()
    complete = Adjacency.from_dense((torch.ones(7, 7) - torch.eye(7))[None])
    answer = network(Population(population.inputs, {ROLE: complete}, fitted=7))
    assert (answer[0] - answer[1]).abs().max() > 1e-3


def test_the_published_network_has_so_many_parameters():
    network = ParisotNetwork({ROLE: (2000,), "phenotypes": (0,)}, 2)
    assert sum(p.numel() for p in network.parameters()) == 4 * 2000 * 16 + 16 + 4 * 16 * 2 + 2


def test_edges_are_similarity_times_agreement_of_all_pairs(train):
    model = make_system("parisot", train, epochs=2).fit(train)
    population = model.population()
    weight = population.graphs[ROLE].to_dense()[0]
    assert ((weight > 0) == (population.agreement > 0)).all()


def test_it_learns_a_planted_effect(train, test):
    model = make_system("parisot", train).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
