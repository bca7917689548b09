from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy, layer_norm

from graphfuse.graph.rows import Rows
from graphfuse.nn.population import Population
from graphfuse.systems.mmgl import SYSTEM, MMGLNetwork, ModalityAttention

FITTED, N = 12, 15
WIDTHS = {"fmri": 6, "pet": 3, "smri": 4}
SHAPES = {**{role: (width,) for role, width in WIDTHS.items()}, "phenotypes": (0,)}


def make_population(people: int = N, seed: int = 2) -> Population:
    """Person 1 lacks two modalities, persons 2 and 13 one."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {}
    for role, width in WIDTHS.items():
        present = torch.ones(N, dtype=torch.bool)
        present[{"fmri": [1], "pet": [1, 2], "smri": [13]}[role]] = False
        x = torch.randn(N, width, generator=generator) * present[:, None]
        inputs[role] = Rows(x[:people], present[:people])
    return Population(inputs, fitted=FITTED)


@pytest.fixture
def population() -> Population:
    return make_population()


@pytest.fixture
def network() -> MMGLNetwork:
    torch.manual_seed(1)
    return MMGLNetwork(SHAPES, 2, threshold=0.3).eval()


def tokens_of(population: Population) -> tuple[dict, dict]:
    inputs = population.inputs
    return {role: rows.x for role, rows in inputs.items()}, {role: rows.present for role, rows in inputs.items()}


def test_modalities_attend_to_those_that_are_there_and_to_no_other(population):
    torch.manual_seed(0)
    attention = ModalityAttention(WIDTHS, width=5, heads=2)
    x, present = tokens_of(population)
    token, share = attention(x, present)
    names = sorted(WIDTHS)
    for i in range(N):
        have = [m for m, name in enumerate(names) if present[name][i]]
        parts = {m: attention.project[m](x[names[m]][i]).view(3, 2, 5) for m in have}
        expected, rows = torch.zeros(3, 10), torch.zeros(3, 3)
        for m in have:
            logits = torch.stack([(parts[m][0] * parts[n][1]).sum(1) for n in have], 1) / 5**0.5  # (H, M_i)
            weight = logits.softmax(1)
            heard = torch.einsum("hn,nhd->hd", weight, torch.stack([parts[n][2] for n in have])) + parts[m][2]
            u = attention.norm(heard.flatten())
            expected[m] = attention.norm_feed(u + attention.feed(u))
            rows[m, have] = weight.mean(0)
        torch.testing.assert_close(token[i], expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(share[i], rows, atol=1e-6, rtol=1e-5)


def test_the_graph_is_the_cosine_of_projected_embeddings_above_the_threshold(network, population):
    learned = network.run(population)
    projected = learned.embedding.detach().numpy() @ network.learner.lin.weight.detach().numpy().T
    unit = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    cosine = unit @ unit.T
    expected = np.where((cosine > 0.3) & population.candidates[0].numpy(), cosine, 0)
    np.testing.assert_allclose(network.weights(population)["edges"], expected, atol=1e-5)
    assert not (expected == expected[0]).all()
    degree = expected.sum(1)
    walk = expected / np.sqrt(degree)[:, None] / np.sqrt(degree)
    hidden = learned.embedding.detach().numpy()
    for conv, bend in zip(network.convs, (True, False), strict=True):
        hidden = walk @ hidden @ conv.lin.weight.detach().numpy().T + conv.bias.detach().numpy()
        hidden = hidden.clip(0) if bend else hidden
    np.testing.assert_allclose(learned.logits.detach(), hidden, atol=1e-5)


def test_the_classification_alone_teaches_the_graph_and_the_attention(network, population):
    cross_entropy(network(population)[:FITTED], torch.arange(FITTED) % 2).backward()
    assert network.learner.lin.weight.grad.abs().sum() > 0
    assert all(project.weight.grad.abs().sum() > 0 for project in network.attention.project)


def test_the_map_between_modalities_is_part_of_the_embedding(network, population):
    learned = network.run(population)
    assert network.out_channels == 64 + 9
    torch.testing.assert_close(learned.embedding[:, 64:], learned.attention.flatten(1))
    token, _ = network.attention(*tokens_of(population))
    flat = token.flatten(1)
    norm, linear = network.join[0], network.join[1]
    joint = linear(layer_norm(flat, (3 * 96,), norm.weight, norm.bias))
    torch.testing.assert_close(learned.embedding[:, :64], torch.nn.functional.gelu(joint))


def test_the_loss_is_two_cross_entropies_and_the_graph_loss_of_the_fitted_people(network, population):
    rows, codes = torch.tensor([0, 4, 7]), torch.tensor([1, 0, 1])
    with torch.no_grad():
        learned = network.run(population)
    h, a = learned.embedding[:FITTED].detach().double(), learned.weight[0, :FITTED, :FITTED].detach().double()
    apart = (h[:, None] - h[None]).square().sum(-1)
    both = (a + a.T) / 2
    graph = (both * apart).sum() / 2 / FITTED**2 - 0.5 * (a.sum(1) + 1e-5).log().sum() / FITTED
    alone = network.classify(learned.embedding).detach()
    expected = float(cross_entropy(learned.logits[rows], codes) + cross_entropy(alone[rows], codes) + graph)
    assert float(network.loss(population, rows, codes).detach()) == pytest.approx(expected, rel=1e-4)
    network.terms["sparse"] = 2.0
    extra = 2.0 * float(a.square().sum() / FITTED**2)
    assert float(network.loss(population, rows, codes).detach()) == pytest.approx(expected + extra, rel=1e-4)


def test_attached_people_change_neither_the_loss_nor_anybodys_answer(network, population):
    few = make_population(FITTED + 1)
    torch.testing.assert_close(network(population)[: FITTED + 1], network(few), atol=1e-5, rtol=1e-4)
    rows, codes = torch.arange(FITTED), torch.arange(FITTED) % 2
    torch.testing.assert_close(network.loss(population, rows, codes), network.loss(few, rows, codes))


def test_values_of_a_missing_modality_change_no_bit(network, population):
    inputs = {}
    for role, rows in population.inputs.items():
        x = rows.x.clone()
        x[~rows.present] = 1e6
        inputs[role] = Rows(x, rows.present)
    changed = replace(population, inputs=inputs)
    assert torch.equal(network(changed), network(population))
    assert torch.isfinite(network(population)[1]).all()  # of whom one modality is left
    told = network.weights(population)["modalities"]
    assert torch.equal(told[1], torch.diag(torch.tensor([0.0, 0.0, 1.0])))


def test_gradients_reach_every_parameter(network, population):
    network.train().loss(population, torch.arange(FITTED), torch.arange(FITTED) % 2).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_at_the_threshold_of_the_release_fresh_weights_join_nobody_and_at_ours_they_join_some():
    torch.manual_seed(0)
    x = {role: Rows(torch.randn(300, 40), torch.ones(300, dtype=torch.bool)) for role in ("fmri", "smri")}
    population, shapes = Population(x, fitted=300), {"fmri": (40,), "smri": (40,)}
    torch.manual_seed(0)
    network = MMGLNetwork(shapes, 2).eval()
    degree = (network.weights(population)["edges"] > 0).sum(1) - 1
    assert int(degree.sum()) > 0
    network.learner.threshold = 0.9
    assert int((network.weights(population)["edges"] > 0).sum()) == 300


def test_it_learns_a_planted_difference(train, test):
    model = SYSTEM.for_cohort(train, epochs=40, patience=40).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
    assert model.phenotypes_read == ()
