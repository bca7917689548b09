from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from graphfuse.errors import NonFinite
from graphfuse.estimators.dealing import inner_split
from graphfuse.estimators.inputs import People, Vectors
from graphfuse.estimators.lockstep import Lesson, train_together
from graphfuse.estimators.population_classifier import PopulationNetwork
from graphfuse.estimators.training import Recipe, train_network
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.encoder import GraphEncoder

F = 40


def people(n, seed=0):
    """n people in two classes, 8 random neighbours each."""
    rng = np.random.default_rng(seed)
    x = torch.as_tensor(rng.standard_normal((n, F)) + 0.8 * (np.arange(n) % 2)[:, None], dtype=torch.float32)
    weight = np.zeros((n, n), np.float32)
    weight[np.arange(n).repeat(4), rng.integers(0, n, 4 * n)] = 1
    return People(x, Adjacency.from_dense(np.maximum(weight, weight.T), layout="sparse"))


def graph_network(conv="gcn", hidden=(16,), dropout=0.3):
    return PopulationNetwork(GraphEncoder(F, hidden, conv=conv, dropout=dropout), 2)


def perceptron(dropout=0.0):
    return nn.Sequential(Dropout(dropout), nn.Linear(F, 8), nn.ReLU(), Dropout(dropout), nn.Linear(8, 2))


def lesson(inputs, make, recipe, seed, flip=()):
    torch.manual_seed(seed)
    network = make()
    masks = torch.Generator().set_state(torch.get_rng_state())
    codes = np.arange(len(inputs.x)) % 2
    codes[list(flip)] = 1 - codes[list(flip)]
    return Lesson(network, inputs, codes, inner_split(codes, None, 0.2, seed), recipe, seed, masks)


def as_ever(one):
    """The lesson by the plain loop."""
    torch.set_rng_state(one.masks.get_state())
    logits = lambda rows: one.inputs(one.network, rows)  # noqa: E731
    return train_network(one.network, logits, one.codes, one.split, one.recipe, one.seed)


def said(one):
    with torch.no_grad():
        return one.inputs(one.network, torch.arange(len(one.inputs.x))).softmax(1)


def agree(ours, theirs, histories, others):
    assert [len(history) for history in histories] == [len(history) for history in others]
    for a, b, losses, wanted in zip(ours, theirs, histories, others, strict=True):
        np.testing.assert_allclose(losses, wanted, atol=1e-5)
        torch.testing.assert_close(said(a), said(b), atol=1e-5, rtol=0)


FULL = Recipe(learning_rate=0.02, epochs=60, patience=6, batch_size=None)
BATCHES = Recipe(learning_rate=0.02, epochs=25, patience=4, batch_size=16)


@pytest.mark.parametrize("conv", ["gcn", "cheb"])
@pytest.mark.parametrize("hidden", [(16,), (6, 5), (48,)])
def test_together_networks_are_what_the_plain_loop_makes_of_each(conv, hidden):
    own = [people(128), people(128, seed=1)]  # whole runs of people: the masks are those of the plain loop

    def lessons():
        return [lesson(own[seed % 2], lambda: graph_network(conv, hidden), FULL, seed) for seed in range(5)]

    ours, theirs = lessons(), lessons()
    histories = train_together(ours)
    agree(ours, theirs, histories, [as_ever(one) for one in theirs])
    assert len({len(history) for history in histories}) > 1  # each has stopped by itself
    assert not any(one.network.training for one in ours)


def test_batches_of_vectors_are_what_the_plain_loop_makes_of_them():
    def lessons():
        return [lesson(Vectors(people(n, n).x), perceptron, BATCHES, n) for n in (90, 91, 92, 93, 117)]

    ours, theirs = lessons(), lessons()
    agree(ours, theirs, train_together(ours), [as_ever(one) for one in theirs])


@pytest.mark.parametrize("n", [(70, 71, 75), (64, 65, 200)])
@pytest.mark.parametrize("make", [graph_network, lambda: perceptron(0.3)])
def test_a_network_is_the_same_whoever_is_trained_beside_it(n, make):
    inputs = [people(count, count) for count in n]
    if make is not graph_network:
        inputs = [Vectors(one.x) for one in inputs]
    recipe = FULL if make is graph_network else BATCHES

    def lessons():
        return [lesson(inputs[seed % 3], make, recipe, seed) for seed in range(6)]

    ours, theirs = lessons(), lessons()
    agree(ours, theirs, train_together(ours), [train_together([one])[0] for one in theirs])


def test_no_network_hears_of_the_labels_of_another():
    inputs = [people(80), people(81)]
    truth = [lesson(one, graph_network, FULL, seed) for seed, one in enumerate(inputs)]
    lie = [lesson(inputs[0], graph_network, FULL, 0), lesson(inputs[1], graph_network, FULL, 1, flip=range(40))]
    told, lied = train_together(truth), train_together(lie)
    assert told[0] == lied[0]
    assert torch.equal(said(truth[0]), said(lie[0]))
    assert told[1] != lied[1]


def test_shapes_that_differ_and_layers_without_a_twin_are_trained_too():
    kinds = [graph_network, lambda: graph_network(hidden=(5,)), lambda: graph_network(conv="gat"), graph_network]

    def lessons():
        return [lesson(people(64), make, FULL, seed) for seed, make in enumerate(kinds)]

    ours, theirs = lessons(), lessons()
    agree(ours, theirs, train_together(ours), [as_ever(one) for one in theirs])


def test_the_users_generator_is_left_alone():
    torch.manual_seed(3)
    lessons = [lesson(people(64), make, FULL, 1) for make in (graph_network, lambda: graph_network(conv="gat"))]
    before = torch.get_rng_state()
    train_together(lessons)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_loss_that_is_no_number_is_refused_by_name():
    class Silent(nn.Module):
        def forward(self, x):
            return x * float("nan")

    broken = lesson(Vectors(people(64).x), lambda: nn.Sequential(nn.Linear(F, 2), Silent()), BATCHES, 0)
    with pytest.raises(NonFinite, match="learning rate"):
        train_together([broken])
