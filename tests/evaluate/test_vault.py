from __future__ import annotations

import numpy as np
import pytest

from graphfuse.errors import LabelLeakageError, ShapeMismatch
from graphfuse.evaluate.vault import Vault, freeze

Y = np.array([0, 1, 0, 1])


def test_training_labels_are_a_copy_of_those_asked_for():
    given = Vault(Y).training(np.array([1, 2]), np.array([0, 3]))
    assert given.tolist() == [1, 0]
    assert given.base is None or given.base.shape == (2,)
    given[:] = 7
    assert Vault(Y).training(np.array([1]), np.array([0])).tolist() == [1]


def test_a_subject_on_both_sides_opens_no_door():
    with pytest.raises(LabelLeakageError, match="both sides"):
        Vault(Y).training(np.array([0, 1]), np.array([1]))


def test_test_labels_come_out_against_frozen_predictions_only():
    p = np.full((2, 2), 0.5)
    seal = freeze(p)
    assert Vault(Y).open(np.array([0, 3]), p, seal).tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        p[0, 0] = 1
    better = np.eye(2)
    with pytest.raises(LabelLeakageError, match="sealed"):
        Vault(Y).open(np.array([0, 3]), better, seal)
    with pytest.raises(LabelLeakageError, match="sealed"):
        Vault(Y).open(np.array([0, 3]), p, "")
    with pytest.raises(ShapeMismatch):
        Vault(Y).open(np.array([0]), p, seal)
