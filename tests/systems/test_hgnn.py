from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.graph.hypergraph import PopulationHypergraph
from graphfuse.graph.rows import Rows
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.hypergraph import Hypergraph
from graphfuse.nn.population import Population
from graphfuse.systems.hgnn import SYSTEM, HGNNNetwork

FITTED, NEW, K = 20, 4, 3
WIDTHS = {"fmri": 5, "smri": 4}
SHAPES = {**{role: (width,) for role, width in WIDTHS.items()}, "phenotypes": (0,)}


def make_population(new: int = 0) -> Population:
    """Person 1 has no smri, persons 2 and the second new one no fmri."""
    generator = torch.Generator().manual_seed(4)
    inputs = {}
    for role, width in WIDTHS.items():
        present = torch.ones(FITTED + NEW, dtype=torch.bool)
        present[[2, FITTED + 1] if role == "fmri" else [1]] = False
        x = torch.randn(FITTED + NEW, width, generator=generator) * present[:, None]
        inputs[role] = Rows(x[: FITTED + new], present[: FITTED + new])
    fitted, attached = parts(inputs, slice(FITTED)), parts(inputs, slice(FITTED, None))
    graph = PopulationHypergraph(neighbours=K).fit(*fitted)
    return Population(inputs, {"all": graph.attach(*attached) if new else graph.adjacency()}, fitted=FITTED)


def parts(inputs, rows) -> tuple[dict, dict]:
    return {k: v.x[rows] for k, v in inputs.items()}, {k: v.present[rows] for k, v in inputs.items()}


def incidence(population: Population) -> np.ndarray:
    """H of the fitted people, (N, sum of who has what), hyperedge by hyperedge."""
    columns = []
    for role in sorted(WIDTHS):
        rows = population.inputs[role]
        who = np.flatnonzero(rows.present)
        x = rows.x.double().numpy()
        for centre in who:
            distance = np.linalg.norm(x[who] - x[centre], axis=1)
            column = np.zeros(len(x))
            nearest = np.argsort(distance)[: K + 1]
            column[who[nearest]] = np.exp(-((distance[nearest] / distance.mean()) ** 2))
            columns.append(column)
    return np.stack(columns, 1)


def propagated(theta: np.ndarray, network: HGNNNetwork, x: np.ndarray) -> np.ndarray:
    for conv, bend in zip(network.convs, (True, False), strict=True):
        x = theta @ x @ conv.lin.weight.detach().numpy().T + conv.bias.detach().numpy()
        x = x.clip(0) if bend else x
    return x


@pytest.fixture
def population() -> Population:
    return make_population()


@pytest.fixture
def network() -> HGNNNetwork:
    torch.manual_seed(1)
    return HGNNNetwork(SHAPES, 2, hidden=8).eval()


def test_people_hear_each_other_through_hyperedges_of_both_modalities_side_by_side(network, population):
    h = incidence(population)
    assert h.shape == (FITTED, 2 * FITTED - 2)
    node, edge = h.sum(1), h.sum(0)
    theta = h / edge @ h.T / np.sqrt(node)[:, None] / np.sqrt(node)
    np.testing.assert_allclose(network.weights(population)["edges"], theta, atol=1e-5)
    np.testing.assert_allclose(
        network(population).detach(), propagated(theta, network, population.x.numpy()), atol=1e-5
    )


def test_a_hypergraph_whose_hyperedges_are_edges_is_half_of_the_identity_and_a_normalised_graph(network, population):
    graph = nx.gnm_random_graph(FITTED, 50, seed=2)
    edges = nx.incidence_matrix(graph, oriented=False).toarray().astype(np.float32)
    weight = nx.to_numpy_array(graph)
    root = np.sqrt(weight.sum(1))
    theta = (np.eye(FITTED) + weight / root[:, None] / root) / 2
    of_edges = replace(population, graphs={"all": Hypergraph.of(torch.as_tensor(edges))})
    np.testing.assert_allclose(network(of_edges).detach(), propagated(theta, network, population.x.numpy()), atol=1e-5)


def test_who_lacks_a_modality_is_in_no_hyperedge_of_it_and_its_values_change_no_bit(network, population):
    h = incidence(population)
    fmri, smri = h[:, : FITTED - 1], h[:, FITTED - 1 :]
    assert not fmri[2].any()
    assert not smri[1].any()
    assert smri[2].any()
    inputs = {}
    for role, rows in population.inputs.items():
        x = rows.x.clone()
        x[~rows.present] = 1e6
        inputs[role] = Rows(x, rows.present)
    graph = PopulationHypergraph(neighbours=K).fit(*parts(inputs, slice(FITTED))).adjacency()
    changed = Population(inputs, {"all": graph}, fitted=FITTED)
    assert torch.equal(network(changed), network(population))


def test_one_group_of_hyperedges_alone_gives_another_answer(network, population):
    one = {"fmri": population.inputs["fmri"].x[population.inputs["fmri"].present]}
    graph = PopulationHypergraph(neighbours=K).fit(one).adjacency().to_dense()[0]
    theta = torch.zeros(FITTED, FITTED)
    has = population.inputs["fmri"].present.nonzero()[:, 0]
    theta[has[:, None], has] = graph
    alone = replace(population, graphs={"all": Adjacency.from_dense(theta)})
    assert (network(alone) - network(population)).abs().max() > 1e-3


def test_attached_people_hear_the_fitted_ones_and_change_nobody(network, population):
    some, many = make_population(new=NEW), network(make_population(new=NEW))
    assert not network.weights(some)["edges"][:FITTED, FITTED:].any()
    torch.testing.assert_close(many[:FITTED], network(population), atol=1e-6, rtol=1e-5)
    assert torch.isfinite(many).all()
    rows = network.weights(some)["edges"][FITTED:]
    assert ((rows[:, :FITTED] > 0).sum(1) >= K).all()
    assert torch.equal(rows[:, FITTED:] > 0, torch.eye(NEW, dtype=torch.bool))


def test_gradients_reach_every_parameter(network, population):
    cross_entropy(network.train()(population), torch.arange(FITTED) % 2).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_hidden_layer_has_the_width_of_the_source():
    network = HGNNNetwork(SHAPES, 2)
    assert sum(p.numel() for p in network.parameters()) == 9 * 128 + 128 + 128 * 2 + 2


def test_it_learns_a_planted_difference_from_hypergraphs_that_hold_every_training_person(train, test):
    model = SYSTEM.for_cohort(train, epochs=60, patience=60, learning_rate=5e-3).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
    assert model.phenotypes_read == ()
    assert model.population().graphs["all"].shape == (1, len(train), len(train))
