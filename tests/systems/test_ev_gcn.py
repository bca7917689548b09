from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy
from torch_geometric.nn import ChebConv as PyGCheb

from graphfuse.graph.agreement import Agreement
from graphfuse.graph.population import PopulationGraph
from graphfuse.graph.rows import Rows
from graphfuse.nn.population import Population
from graphfuse.systems.ev_gcn import SYSTEM, EVGCNNetwork, kept_pairs

FITTED, NEW, P, D = 24, 4, 6, 5
PHENOTYPES = ("site", "sex")


def table(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame({"site": rng.choice(["a", "b"], n), "sex": rng.choice(["F", "M"], n)})


def make_population(new: int = 0, columns: tuple[str, ...] = PHENOTYPES) -> Population:
    generator = torch.Generator().manual_seed(5)
    n = FITTED + NEW
    x = torch.randn(n, P, generator=generator) + 2 * torch.randn(P, generator=generator)
    traits = torch.randn(n, D, generator=generator)
    people, all_people = table(n)[:FITTED], table(n)[FITTED : FITTED + new]
    graph = PopulationGraph(same=columns, neighbours=None).fit(x[:FITTED], people)
    agreement = Agreement(columns).fit(people)
    keep = FITTED + new
    return Population(
        {"features": Rows(x[:keep], torch.ones(keep, dtype=torch.bool))},
        {"features": graph.attach(x[FITTED:keep], all_people) if new else graph.adjacency()},
        agreement.attached(all_people) if new else agreement.matrix(),
        traits[:keep],
        FITTED,
    )


@pytest.fixture
def population() -> Population:
    return make_population()


@pytest.fixture
def network(population) -> EVGCNNetwork:
    torch.manual_seed(1)
    network = EVGCNNetwork({"features": (P,), "phenotypes": (D,)}, 2)
    network.prepare(population)
    return network.eval()


def test_edges_are_learned_from_traits_and_gradients_reach_traits_and_encoder(network, population):
    traits = population.traits.clone().requires_grad_()
    logits = network(replace(population, traits=traits))
    logits[:, 0].sum().backward()
    assert traits.grad.abs().sum() > 0
    assert all(p.grad.abs().sum() > 0 for p in network.association.parameters())
    other = replace(population, traits=population.traits.flip(0))
    assert (network(other) - logits).abs().max() > 1e-4


def test_edge_weights_are_half_of_one_plus_the_cosine_where_the_affinity_exceeds_1_1(network, population):
    assert float(network.threshold) == pytest.approx(1.1)
    static = population.graphs["features"].to_dense()[0].numpy()
    with torch.no_grad():
        h = network.association.encoder(population.traits).numpy()
    expected = np.zeros((FITTED, FITTED))
    for i in range(FITTED):
        for j in range(FITTED):
            if static[i, j] > 1.1:
                expected[i, j] = (h[i] @ h[j] / np.linalg.norm(h[i]) / np.linalg.norm(h[j]) + 1) / 2
    assert 0.02 < (expected > 0).mean() < (static > 0).mean()
    np.testing.assert_allclose(network.weights(population)["edges"], expected, atol=1e-5)


def test_the_threshold_follows_the_number_of_phenotypes_compared():
    network = EVGCNNetwork({"features": (P,), "phenotypes": (D,)}, 2)
    network.prepare(make_population(columns=("site",)))
    assert float(network.threshold) == pytest.approx(0.55)


def test_the_network_is_pygs_chebyshev_layers_side_by_side_and_an_mlp(network, population):
    edges = torch.as_tensor(network.weights(population)["edges"])
    index = edges.nonzero().T.flip(0)  # sources, targets
    weight = edges[index[1], index[0]]
    hidden, levels = population.inputs["features"].x, []
    for own in network.stack.convs:
        conv = PyGCheb(own.in_channels, own.out_channels, K=3, bias=False)
        conv.load_state_dict(own.state_dict())
        hidden = conv(hidden, index, weight, lambda_max=2.0).relu()
        levels.append(hidden)
    torch.testing.assert_close(network(population), network.head(torch.cat(levels, 1)), atol=1e-5, rtol=1e-4)


def test_a_dropped_edge_takes_its_phenotypes_with_it(network, population):
    traits = population.traits.clone().requires_grad_()
    kept, person = torch.ones(1, FITTED, FITTED, dtype=torch.bool), int(network.edges(population).sum(2).argmax())
    kept[:, person] = kept[:, :, person] = False
    weight = network.edges(replace(population, traits=traits), kept)
    weight.sum().backward()
    assert network.edges(population)[0, person].sum() > 0
    assert not weight[0, person].any()
    assert not traits.grad[person].any()
    assert traits.grad.abs().sum() > 0


def test_pairs_are_kept_both_ways_or_not_at_all_and_attached_people_share_their_draws():
    kept = kept_pairs(200, 203, 0.3, seed=7)[0]
    assert torch.equal(kept, kept.T)
    off = kept[:200, :200][~torch.eye(200, dtype=torch.bool)].float().mean()
    assert abs(float(off) - 0.7) < 0.01
    assert torch.equal(kept[200], kept[201])
    assert torch.equal(kept[200], kept[202])
    assert torch.equal(kept[:200, :200], kept_pairs(200, 200, 0.3, seed=7)[0])


def test_edges_are_dropped_in_training_alone(population):
    network = EVGCNNetwork({"features": (P,), "phenotypes": (D,)}, 2, dropout=0.0)
    network.association.encoder[3].p = 0.0
    network.head[2].momentum = 0.0
    network.prepare(population)
    assert not torch.equal(network.train()(population), network(population))
    assert torch.equal(network.eval()(population), network(population))


def test_uncertainty_is_the_scatter_of_answers_under_edge_dropout(network, population):
    told = network.uncertainty(population, passes=30)
    torch.testing.assert_close(told["mean"].sum(1), torch.ones(FITTED))
    assert (told["variance"] > 0).any()
    p = told["mean"].double()
    torch.testing.assert_close(told["entropy"].double(), -(p * p.log()).sum(1), atol=1e-6, rtol=1e-6)
    network.edge_dropout = 0.0
    sure = network.uncertainty(population, passes=3)
    torch.testing.assert_close(sure["mean"], network(population).softmax(1))
    assert sure["variance"].max() < 1e-12


def test_an_attached_persons_answer_and_uncertainty_do_not_depend_on_other_new_people(network):
    few, many = make_population(new=1), make_population(new=NEW)
    torch.testing.assert_close(network(many)[: FITTED + 1], network(few), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(network(many)[:FITTED], network(make_population()), atol=1e-6, rtol=1e-5)
    told = []
    for population in (few, many):
        torch.manual_seed(3)
        told.append(network.uncertainty(population, passes=5))
    torch.testing.assert_close(told[1]["variance"][: FITTED + 1], told[0]["variance"], atol=1e-6, rtol=1e-4)


def test_gradients_reach_every_parameter(network, population):
    cross_entropy(network.train()(population), torch.arange(FITTED) % 2).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_widths_are_those_of_the_source():
    network = EVGCNNetwork({"features": (2000,), "phenotypes": (D,)}, 2)
    convs = 3 * 16 * (2000 + 3 * 16)
    head = 64 * 256 + 256 + 2 * 256 + 256 * 2 + 2
    assert sum(p.numel() for p in network.stack.parameters()) == convs
    assert sum(p.numel() for p in network.head.parameters()) == head


def test_it_learns_a_planted_difference(train, test):
    model = SYSTEM.for_cohort(train, epochs=40, patience=40).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
    assert set(model.phenotypes_read) == {"site", "sex", "age"}
