from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import NonFinite, ShapeMismatch
from graphfuse.graph.rows import Rows


def rows(n=4, p=3):
    return Rows(torch.arange(float(n * p)).view(n, p), torch.arange(n) != 1)


def test_rows_are_taken_by_subject():
    taken = rows()[[2, 0]]
    assert taken.x[:, 0].tolist() == [6, 0]
    assert rows()[1].present.tolist() == [False]
    assert len(rows()[np.array([True, False, True, False])]) == 2


def test_rows_follow_each_other():
    both = rows().followed_by(rows(2))
    assert both.x[:, 0].tolist() == [0, 3, 6, 9, 0, 3]
    assert both.present.tolist() == [True, False, True, True, True, False]


def test_errors_at_the_door():
    with pytest.raises(ShapeMismatch, match="present"):
        Rows(torch.zeros(3, 2), torch.ones(2, dtype=torch.bool))
    with pytest.raises(NonFinite):
        Rows(torch.full((1, 2), torch.nan), torch.ones(1, dtype=torch.bool))
    assert "4 subjects, 3 features" in repr(rows())
