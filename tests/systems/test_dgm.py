"""DGM draws whom each person hears; the draw learns from success and not from the classifier's gradient."""

from __future__ import annotations

import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cross_entropy

from graphfuse.graph.rows import Rows
from graphfuse.nn.population import Population
from graphfuse.systems.dgm import SYSTEM, DGMNetwork

N, FITTED, P, K = 14, 11, 6, 3
CODES = torch.arange(FITTED) % 2
ROWS = torch.arange(FITTED)


def population(only=range(N)) -> Population:
    torch.manual_seed(1)
    x, only = torch.randn(N, P), list(only)
    present = torch.ones(len(only), dtype=torch.bool)
    inputs = {"a": Rows(x[only, :2], present), "b": Rows(x[only, 2:], present)}
    return Population(inputs, fitted=sum(i < FITTED for i in only))


def network(**options) -> DGMNetwork:
    torch.manual_seed(0)
    net = DGMNetwork({"a": (2,), "b": (4,), "phenotypes": (0,)}, 2, **{"neighbours": K, "temperature": 0.0, **options})
    net.prepare(population(range(FITTED)))
    return net


def test_neighbours_are_drawn_in_training_and_the_nearest_afterwards():
    """A convolution on a given graph would answer the same in both passes."""
    net, people = network(dropout=0.0).train(), population(range(FITTED))
    assert not torch.equal(net(people), net(people))
    assert not torch.equal(net.weights(people)["graph"], net.weights(people)["graph"])
    net.eval()
    told = net.weights(people)
    near = torch.cdist(told["embedding"], told["embedding"]).argsort(1)[:, :K]
    assert torch.equal(told["graph"].nonzero()[:, 1].view(-1, K), near.sort(1).values)
    assert torch.equal(net(people), net(people))


def test_the_classifier_sends_nothing_to_the_embedding_and_the_draw_nothing_to_the_classifier():
    net, people = network(dropout=0.0).train(), population(range(FITTED))
    drawn = [*net.embed.parameters(), net.draw.temperature]
    others = [*net.enter.parameters(), *net.convs.parameters(), *net.head.parameters()]
    torch.manual_seed(2)
    cross_entropy(net(people), CODES).backward()
    assert all(p.grad is None for p in drawn)
    assert all(p.grad.abs().sum() > 0 for p in others)
    kept = [p.grad.clone() for p in others]
    net.zero_grad()
    torch.manual_seed(2)
    net.loss(people, ROWS, CODES).backward()
    assert all(p.grad.abs().sum() > 0 for p in drawn)
    assert all(torch.equal(p.grad, before) for p, before in zip(others, kept, strict=True))


def test_edges_of_who_is_right_become_likelier_and_of_who_is_wrong_less_likely():
    net, people = network(dropout=0.0).train(), population(range(FITTED))
    torch.manual_seed(2)
    logits, edges = net._run(people)
    right = logits.argmax(1) == CODES
    assert 0 < right.sum() < FITTED
    expected = torch.where(right, -0.5, 0.5)[:, None] * edges.log_p[0]
    torch.manual_seed(2)
    loss = net.loss(people, ROWS, CODES)
    torch.testing.assert_close(loss, cross_entropy(logits, CODES) + expected.mean())
    (own,) = net.record
    torch.testing.assert_close(own.baseline, torch.where(right, 0.525, 0.475))


def test_only_labelled_rows_are_taught_and_have_a_record():
    net, people, rows = network().train(), population(range(FITTED)), torch.tensor([1, 4])
    net.loss(people, rows, CODES[rows])
    moved = net.record[0].baseline != 0.5
    assert moved.nonzero()[:, 0].tolist() == [1, 4]


def test_the_record_of_people_is_in_no_state():
    net = network()
    assert not any("baseline" in name for name in net.state_dict())
    fresh = DGMNetwork({"a": (2,), "b": (4,)}, 2, neighbours=K)
    fresh.load_state_dict(net.state_dict())
    assert torch.equal(fresh.eval()(population()), net.eval()(population()))


def test_new_people_hear_fitted_ones_and_themselves_only():
    net = network().eval()
    graph = net.weights(population())["graph"]
    assert graph.sum(1).tolist() == [K] * N
    assert not graph[:FITTED, FITTED:].any()
    assert torch.equal(graph[FITTED:, FITTED:], torch.eye(N - FITTED))
    whole = net(population())
    torch.testing.assert_close(whole[:FITTED], net(population(range(FITTED))))
    torch.testing.assert_close(net(population([*range(FITTED), 12]))[-1], whole[12])


def test_the_answer_does_not_depend_on_the_order_of_people():
    net, people = network().eval(), population(range(FITTED))
    order = torch.randperm(FITTED)
    moved = Population({role: rows[order.numpy()] for role, rows in people.inputs.items()}, fitted=FITTED)
    torch.testing.assert_close(net(moved), net(people)[order])


def test_gradients_reach_every_parameter():
    net = network().train()
    net.loss(population(range(FITTED)), ROWS, CODES).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_five_neighbours_are_drawn_from_four_numbers():
    net = DGMNetwork({"a": (30,)}, 2)
    assert net.draw.neighbours == 5
    assert [layer.out_features for layer in net.embed if hasattr(layer, "out_features")] == [16, 4]
    assert [conv.out_channels for conv in net.convs] == [32, 16, 8]


def test_it_learns_a_planted_effect(train, test):
    model = SYSTEM.for_cohort(train, epochs=100, patience=100).fit(train)
    assert roc_auc_score(test.y, model.predict_proba(test)[:, 1]) > 0.8
    assert model.phenotypes_read == ()
