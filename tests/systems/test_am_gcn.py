from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.graph.rows import Rows
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.population import Population
from graphfuse.systems.am_gcn import SYSTEM, AMGCNNetwork, WalkStack

FITTED, N, P = 12, 15, 6
SMALL = {"hidden": 10, "width": 4}


def attached_graph(seed: int) -> Adjacency:
    """A random graph of N people, of whom those after FITTED are heard by nobody."""
    weight = torch.rand(N, N, generator=torch.Generator().manual_seed(seed))
    weight = torch.where(weight + weight.T > 1.2, weight + weight.T, 0.0).fill_diagonal_(0)
    weight[:, FITTED:] = 0
    return Adjacency.from_dense(weight)


@pytest.fixture
def population() -> Population:
    x = torch.randn(N, P, generator=torch.Generator().manual_seed(2))
    graphs = {"all": attached_graph(3), "features": attached_graph(4)}
    return Population({"features": Rows(x, torch.ones(N, dtype=torch.bool))}, graphs, fitted=FITTED)


@pytest.fixture
def network() -> AMGCNNetwork:
    torch.manual_seed(1)
    return AMGCNNetwork({"features": (P,)}, 2, **SMALL).eval()


def with_graph(population: Population, **graphs) -> Population:
    return replace(population, graphs={**population.graphs, **graphs})


def test_each_specific_channel_hears_its_own_graph_and_the_shared_weights_hear_both(network, population):
    before = network.channels(population)
    after = network.channels(with_graph(population, features=attached_graph(9)))
    assert torch.equal(after.topology, before.topology)
    assert torch.equal(after.shared_topology, before.shared_topology)
    assert not torch.allclose(after.feature, before.feature)
    assert not torch.allclose(after.shared_feature, before.shared_feature)
    assert not torch.allclose(network(with_graph(population, features=attached_graph(9))), network(population))


def test_over_one_graph_the_shared_channels_are_one_and_the_specific_ones_two(network, population):
    channels = network.channels(with_graph(population, features=population.graphs["all"]))
    assert torch.equal(channels.shared_topology, channels.shared_feature)
    assert not torch.allclose(channels.topology, channels.feature)
    torch.testing.assert_close(channels.stacked()[:, 2], channels.shared_topology)


def test_attention_weighs_three_channels_of_each_person(network, population):
    stacked = network.channels(population).stacked().detach()
    first, _, second = network.score
    score = np.tanh(stacked.numpy() @ first.weight.detach().numpy().T + first.bias.detach().numpy())
    score = np.exp(score @ second.weight.detach().numpy()[0])  # (N, 3)
    share = score / score.sum(1, keepdims=True)
    np.testing.assert_allclose(network.weights(population)["channels"], share, rtol=1e-5)
    mixed = torch.as_tensor((share[..., None] * stacked.numpy()).sum(1))
    torch.testing.assert_close(network(population), network.classify(mixed), atol=1e-5, rtol=1e-4)


def test_a_stack_is_two_convolutions_normalised_by_rows():
    torch.manual_seed(0)
    stack, x = WalkStack(P, 8, 3, dropout=0.5).eval(), torch.randn(N, P)
    graph = attached_graph(5)
    weight = graph.to_dense()[0].numpy() + np.eye(N)
    walk = weight / weight.sum(1, keepdims=True)
    hidden = x.numpy()
    for layer, bend in ((stack.first, True), (stack.second, False)):
        hidden = walk @ hidden @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
        hidden = hidden.clip(0) if bend else hidden
    np.testing.assert_allclose(stack(x[None], graph)[0].detach(), hidden, atol=1e-5)


def test_the_loss_is_cross_entropy_consistency_and_independence_of_the_fitted_people(network, population):
    network.consistency, network.independence = 0.7, 0.3
    rows, codes = torch.tensor([0, 3, 5]), torch.tensor([0, 1, 1])
    parts = [channel.detach().double().numpy()[:FITTED] for channel in network.channels(population)]
    own, near, shared, shared_near = parts
    r = np.eye(FITTED) - 1 / FITTED

    def gram(z):
        z = r @ z
        z = z / np.linalg.norm(z, axis=1, keepdims=True)
        return z @ z.T

    def hsic(a, b):
        return np.trace(r @ a @ a.T @ r @ b @ b.T) / (FITTED - 1) ** 2

    expected = float(cross_entropy(network(population)[rows], codes).detach())
    expected += 0.7 * np.mean((gram(shared) - gram(shared_near)) ** 2) + 0.3 * (
        hsic(own, shared) + hsic(near, shared_near)
    )
    assert float(network.loss(population, rows, codes).detach()) == pytest.approx(expected, rel=1e-4)


def test_attached_people_change_neither_the_loss_nor_a_fitted_row(network, population):
    x = population.inputs["features"].x.clone()
    x[FITTED:] += 5
    other = replace(population, inputs={"features": Rows(x, torch.ones(N, dtype=torch.bool))})
    rows, codes = torch.arange(FITTED), torch.arange(FITTED) % 2
    torch.testing.assert_close(network.loss(other, rows, codes), network.loss(population, rows, codes))
    torch.testing.assert_close(network(other)[:FITTED], network(population)[:FITTED])


def test_gradients_reach_every_parameter(network, population):
    network.train().loss(population, torch.arange(FITTED), torch.arange(FITTED) % 2).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_widths_are_those_of_the_source():
    network = AMGCNNetwork({"features": (256,)}, 2)
    stack = 256 * 768 + 768 + 768 * 256 + 256
    assert sum(p.numel() for p in network.parameters()) == 3 * stack + (256 * 16 + 16 + 16) + (256 * 2 + 2)


def test_its_two_graphs_are_of_phenotypes_and_of_features_alone(train):
    model = SYSTEM.for_cohort(train, epochs=1, options=SMALL).fit(train)
    population = model.population()
    topology, feature = (population.graphs[name].to_dense()[0] for name in ("all", "features"))
    apart = population.agreement == 0
    assert not topology[apart].any()
    assert feature[apart].any()
    assert ((feature > 0).sum(1) >= 7).all()
    assert model.phenotypes_read == ("site", "sex")


def test_it_learns_a_planted_difference(train, test):
    model = SYSTEM.for_cohort(train, epochs=60, patience=60, learning_rate=5e-3, options={"hidden": 64, "width": 16})
    assert roc_auc_score(test.y, model.fit(train).predict_proba(test)[:, 1]) > 0.8
