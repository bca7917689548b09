"""IDGL runs on a graph that it learns, again and again, and averages its loss over the graphs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.graph.rows import Rows
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.graph import graph_loss
from graphfuse.nn.population import Population
from graphfuse.systems.idgl import SYSTEM, IDGLNetwork

N, FITTED, P = 12, 9, 5
CODES = torch.arange(FITTED) % 2


def population(only=range(N), x=None) -> Population:
    """Nine fitted people on a ring, three new ones who each hear one of them."""
    torch.manual_seed(1)
    drawn = torch.randn(N, P)
    x = drawn if x is None else x
    weight, ring = torch.zeros(N, N), torch.arange(FITTED)
    weight[ring, (ring + 1) % FITTED] = weight[(ring + 1) % FITTED, ring] = 1.0
    weight[torch.arange(FITTED, N), [0, 4, 7]] = 1.0
    only = list(only)
    inputs = {"a": Rows(x[only, :2], torch.ones(len(only), dtype=torch.bool))}
    inputs["b"] = Rows(x[only, 2:], torch.ones(len(only), dtype=torch.bool))
    return Population(
        inputs, {"all": Adjacency.from_dense(weight[only][:, only])}, fitted=sum(i < FITTED for i in only)
    )


def network(**options) -> IDGLNetwork:
    torch.manual_seed(0)
    own = {"hidden": 4, "threshold": 0.0, "hidden_threshold": 0.0, "pretrain": 0, **options}
    return IDGLNetwork({"a": (2,), "b": (3,), "phenotypes": (0,)}, 2, **own)


def test_the_graph_that_it_runs_on_is_learned_and_the_task_teaches_it():
    """A convolution on the given graph would have neither other edges nor a gradient to them."""
    net, people = network().eval(), population(range(FITTED))
    given = people.graphs["all"].normalised("row").to_dense()[0]
    told = net.weights(people)
    assert ((told["last"] > 0) & (given == 0)).any()
    assert (told["last"] - told["first"]).abs().max() > 1e-4
    cross_entropy(net(people), CODES).backward()
    for learner in (net.graph.learner, net.graph.hidden_learner):
        assert learner.weight.grad.abs().sum() > 0


def test_the_first_graph_is_a_quarter_of_the_given_one_and_the_answer_two_products_on_the_last():
    net, people = network().eval(), population(range(FITTED))
    given = people.graphs["all"].to_dense()[0] + torch.eye(FITTED)
    similarity = torch.stack(
        [
            torch.nn.functional.cosine_similarity(people.x[:, None] * w, people.x[None] * w, dim=-1)
            for w in net.graph.learner.weight
        ]
    ).mean(0)
    similarity = torch.where(similarity > 0, similarity, 0.0)
    expected = 0.25 * given / given.sum(1, True) + 0.75 * similarity / similarity.sum(1, True)
    told = net.weights(people)
    torch.testing.assert_close(told["first"], expected)
    first, second = net.graph.network.lins
    hidden = (told["last"] @ people.x @ first.weight.T + first.bias).relu()
    torch.testing.assert_close(net(people), told["last"] @ hidden @ second.weight.T + second.bias)


def test_equal_people_are_at_rest_at_once():
    steps = list(network().eval().iterations(population(range(FITTED), x=torch.ones(N, P))))
    assert len(steps) == 2
    torch.testing.assert_close(steps[1].weight, steps[0].weight)


def test_the_loss_is_the_mean_over_graphs_of_cross_entropy_and_loss_on_the_graph():
    net, people = network(dropout=0.0), population(range(FITTED))
    rows = torch.tensor([0, 3, 4, 8])
    x = people.x / P**0.5
    expected = [
        cross_entropy(step.output[0, rows], CODES[rows])
        + graph_loss(x[None], step.similarity, smooth=0.4, degree=0.2, sparse=0.1)
        for step in net.iterations(people)
    ]
    assert len(expected) > 2
    torch.testing.assert_close(net.loss(people, rows, CODES[rows]), sum(expected) / len(expected))


def test_the_first_steps_of_training_hear_the_first_graph_only():
    net, people, rows = network(pretrain=1, dropout=0.0), population(range(FITTED)), torch.arange(FITTED)
    net.loss(people, rows, CODES).backward()
    assert net.graph.hidden_learner.weight.grad is None
    net.loss(people, rows, CODES).backward()
    assert net.graph.hidden_learner.weight.grad.abs().sum() > 0


def test_new_people_hear_fitted_ones_only_and_decide_nothing():
    net = network(threshold=0.1).eval()
    steps, alone = list(net.iterations(population())), list(net.iterations(population(range(FITTED))))
    assert len(steps) == len(alone)
    assert not steps[-1].weight[0, :FITTED, FITTED:].any()
    new = steps[-1].weight[0, FITTED:, FITTED:]
    assert torch.equal(new, new.diag().diag())
    torch.testing.assert_close(steps[-1].output[:, :FITTED], alone[-1].output)
    single = net(population([*range(FITTED), 10]))
    torch.testing.assert_close(single[-1], net(population())[10])


def test_gradients_reach_every_parameter():
    net = network().train()
    net.loss(population(range(FITTED)), torch.arange(FITTED), CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_defaults_are_those_of_the_authors_for_tables():
    net = IDGLNetwork({"a": (30,)}, 2)
    assert [(lin.in_features, lin.out_features) for lin in net.graph.network.lins] == [(30, 16), (16, 2)]
    assert (net.graph.skip, net.graph.rate, net.graph.tolerance, net.graph.most) == (0.25, 0.1, 1e-3, 10)
    assert net.terms == {"smooth": 0.4, "degree": 0.2, "sparse": 0.1}
    assert net.pretrain == 25


@pytest.fixture(scope="module")
def model(train):
    return SYSTEM.for_cohort(train, epochs=60, patience=60).fit(train)


def test_it_learns_a_planted_effect(model, test):
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
    assert model.phenotypes_read == ()


def test_pairs_survive_the_threshold_on_features(model):
    """At the published 0.9 the learned graph would be the diagonal alone."""
    net, people = model.network_.members[0], model.population()
    kept = SimpleNamespace(ours=next(net.iterations(people)).similarity[0])
    net.graph.learner.threshold = 0.9
    kept.published = next(net.iterations(people)).similarity[0]
    net.graph.learner.threshold = 0.3
    alone = torch.eye(len(people), dtype=torch.bool)
    assert (kept.ours[~alone] > 0).float().mean() > 0.02
    assert (kept.published[~alone] > 0).float().mean() < 0.02
