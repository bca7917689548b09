from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from graphfuse.errors import InvalidOption, NonFinite
from graphfuse.estimators.calibration import calibrated_loss
from graphfuse.estimators.dealing import inner_split
from graphfuse.estimators.training import Recipe, train_network

N = 80


def problem(seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(N) % 2
    x = torch.as_tensor(rng.standard_normal((N, 10)) + codes[:, None] * 0.7, dtype=torch.float32)
    torch.manual_seed(seed)
    return nn.Linear(10, 2), x, codes


def parted(codes, recipe, seed):
    return inner_split(codes, np.arange(N), recipe.validation, seed)


def run(recipe, seed=0, record=None):
    network, x, codes = problem(seed)

    def logits(rows):
        if record is not None:
            record.append((network.training, rows.tolist()))
        return network(x[rows])

    return network, train_network(network, logits, codes, parted(codes, recipe, seed), recipe, seed), x, codes


def test_the_network_is_left_at_its_best_epoch_in_eval_mode():
    recipe = Recipe(learning_rate=0.3, weight_decay=0, epochs=40, patience=40, batch_size=16)
    network, history, x, codes = run(recipe)
    assert not network.training
    assert int(np.argmin(history)) < len(history) - 1  # later epochs were worse
    _, rows = inner_split(codes, np.arange(N), recipe.validation, 0)
    weight = torch.full((1, len(rows)), 1 / len(rows), dtype=torch.float64)
    loss = calibrated_loss(network(x[rows]).detach()[None], torch.as_tensor(codes)[rows][None], weight)
    assert float(loss) == pytest.approx(min(history), abs=1e-6)


def test_the_rows_that_choose_the_epoch_are_never_trained_on():
    record = []
    run(Recipe(epochs=3, batch_size=16), record=record)
    trained = {row for training_mode, rows in record if training_mode for row in rows}
    judged = {row for training_mode, rows in record if not training_mode for row in rows}
    assert not trained & judged
    assert trained | judged == set(range(N))


def test_it_stops_after_as_many_epochs_without_gain_as_it_has_patience():
    _, history, _, _ = run(Recipe(learning_rate=1.0, epochs=500, patience=5))
    assert len(history) == int(np.argmin(history)) + 6


def test_epochs_are_a_limit_and_learning_happens():
    _, history, _, _ = run(Recipe(epochs=7, patience=100, learning_rate=0.01))
    assert len(history) == 7
    assert history[-1] < history[0]


@pytest.mark.parametrize("batch_size", [None, 7, 10**6])
def test_every_training_row_is_seen_once_an_epoch(batch_size):
    record = []
    run(Recipe(epochs=2, batch_size=batch_size), record=record)
    seen = [row for training_mode, rows in record if training_mode for row in rows]
    assert set(np.bincount(seen)[np.unique(seen)]) == {2}


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"patience": 0}, {"learning_rate": 0}, {"validation": 0.9}, {"batch_size": -1}]
)
def test_impossible_recipes_are_refused(wrong):
    with pytest.raises(InvalidOption, match=next(iter(wrong))):
        Recipe(**wrong)


def test_a_loss_that_is_no_number_is_refused_by_name():
    network, _, codes = problem()
    with pytest.raises(NonFinite, match="learning rate"):
        train_network(
            network,
            lambda rows: network(torch.full((len(rows), 10), np.nan)),
            codes,
            parted(codes, Recipe(), 0),
            Recipe(),
            0,
        )
