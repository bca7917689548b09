"""iGLCN: the graph is learned, its rows are shares of people, and what was learned can be read off."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.graph.rows import Rows
from graphfuse.losses.graph import glcn_loss
from graphfuse.nn.population import Population
from graphfuse.systems.iglcn import IGLCNNetwork, iglcn

N, WIDTHS = 14, {"a": 5, "b": 3}
FEATURES = sum(WIDTHS.values())


def population(new: int = 0, seed: int = 0) -> Population:
    """N fitted people and some attached ones, without phenotypes."""
    rng = torch.Generator().manual_seed(seed)
    total = N + new
    x = torch.randn(total, FEATURES, generator=rng)
    everybody = torch.ones(total, dtype=torch.bool)
    inputs = {"a": Rows(x[:, :5], everybody), "b": Rows(x[:, 5:], everybody)}
    return Population(inputs, {}, torch.zeros(total, total), torch.zeros(total, 0), N)


def network(**options) -> IGLCNNetwork:
    torch.manual_seed(0)
    shapes = {role: (width,) for role, width in WIDTHS.items()}
    return IGLCNNetwork({**shapes, "phenotypes": (0,)}, 2, **options).eval()


def test_people_who_look_alike_to_the_learner_get_one_answer_whatever_their_features():
    model, people = network(), population()
    assert model(people).std(0).min() > 1e-3
    torch.nn.init.zeros_(model.learner.att)  # nobody differs: each row of the graph is the mean of all
    torch.testing.assert_close(model(people), model(people)[:1].expand(N, 2))


@pytest.mark.parametrize("part", ["learner.lin.weight", "learner.att"])
def test_the_cross_entropy_alone_teaches_the_graph(part):
    model = network()
    cross_entropy(model(population()), torch.arange(N) % 2).backward()
    assert model.get_parameter(part).grad.abs().max() > 1e-4


@pytest.mark.parametrize(("sign", "factor"), [("neg", -1), ("pos", 1)])
def test_logits_and_evidence_equal_the_formula(sign, factor):
    model, people = network(sign=sign), population()
    torch.nn.init.normal_(model.gate.logit)
    get = {name: value.detach().numpy().astype(float) for name, value in model.named_parameters()}
    x = people.x.numpy() / (1 + np.exp(-get["gate.logit"]))
    h = x @ get["learner.lin.weight"].T
    score = np.maximum(np.abs(h[:, None] - h[None]) @ get["learner.att"][0], 0)
    share = np.exp(factor * score)
    share /= share.sum(1, keepdims=True)
    hidden = np.maximum(share @ x @ get["lins.0.weight"].T + get["lins.0.bias"], 0)
    logits = share @ hidden @ get["lins.1.weight"].T + get["lins.1.bias"]
    np.testing.assert_allclose(model.weights(people)["neighbour evidence"], share, atol=1e-5)
    np.testing.assert_allclose(model(people).detach(), logits, atol=1e-5)


def test_evidence_comes_from_fitted_people_and_oneself_and_sums_to_one():
    model, people = network(), population(new=3)
    evidence = model.weights(people)["neighbour evidence"]
    torch.testing.assert_close(evidence.sum(1), torch.ones(N + 3))
    assert not (evidence * ~people.candidates[0]).any()
    assert (evidence[N:, :N] > 0).all()


def test_attached_people_change_no_answer_of_the_fitted_nor_of_each_other():
    model, people = network(), population(new=4)
    keep = [*range(N), N + 2]
    fewer = Population(
        {role: rows[keep] for role, rows in people.inputs.items()}, {}, torch.zeros(N + 1, N + 1), None, N
    )
    torch.testing.assert_close(model(fewer), model(people)[keep], atol=1e-6, rtol=1e-6)


def test_the_order_of_people_does_not_matter():
    model, people, order = network(), population(), np.random.default_rng(0).permutation(N)
    turned = Population({r: rows[order] for r, rows in people.inputs.items()}, {}, people.agreement, None, N)
    torch.testing.assert_close(model(turned), model(people)[order], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_graph_starts_alive(seed):
    torch.manual_seed(seed)
    model = IGLCNNetwork({"a": (5,), "b": (3,)}, 2).eval()
    evidence = model.weights(population())["neighbour evidence"]
    assert (evidence.diagonal()[:, None] >= evidence).all()  # nobody is nearer than oneself
    assert evidence.std() > 1e-2


def test_the_loss_is_cross_entropy_graph_loss_and_gates():
    model, people, codes = network(), population(), torch.arange(N) % 2
    learned = model.run(people)
    graph = glcn_loss(model.learner.lin(learned.x), learned.weight) / N
    expected = cross_entropy(learned.logits, codes) + graph + 0.1 * 0.5
    torch.testing.assert_close(model.loss(people, torch.arange(N), codes), expected)


def test_gradients_reach_every_parameter():
    model = network().train()
    model.loss(population(), torch.arange(N), torch.arange(N) % 2).backward()
    assert all(part.grad is not None and part.grad.any() for part in model.parameters())


def test_the_widths_are_those_of_glcn():
    model = IGLCNNetwork({"a": (100,), "phenotypes": (2,)}, 2)
    assert model.learner.lin.weight.shape == (70, 100)
    assert [(lin.in_features, lin.out_features) for lin in model.lins] == [(100, 30), (30, 2)]
    assert sum(part.numel() for part in model.parameters()) == 100 + 70 * 100 + 70 + 100 * 30 + 30 + 30 * 2 + 2


def test_gates_and_edges_favour_the_features_that_carry_the_class():
    torch.manual_seed(0)
    codes = torch.arange(60) % 2
    x = torch.randn(60, 24)
    x[:, :4] += 2.5 * codes[:, None]
    everybody = torch.ones(60, dtype=torch.bool)
    people = Population({"a": Rows(x - x.mean(0), everybody)}, {}, torch.zeros(60, 60), None, 60)
    model = IGLCNNetwork({"a": (24,)}, 2, dropout=0.2)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        optimiser.zero_grad()
        model.loss(people, torch.arange(60), codes).backward()
        optimiser.step()
    told = model.eval().weights(people)
    assert told["feature gate"][:4].mean() > told["feature gate"][4:].mean() + 0.05
    same = codes[:, None] == codes
    evidence = told["neighbour evidence"].clone().fill_diagonal_(0)
    assert evidence[same].sum() > 2 * evidence[~same].sum()
    assert told["edge importance"].shape == (24,)


def test_it_learns_what_was_planted(train, test):
    model = iglcn({"smri": "smri", "aseg": "aseg"}).set_params(epochs=60, patience=60).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
