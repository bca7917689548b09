from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from graphfuse.audit.state import state_digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(3), np.array([0, 0, 5e-324])),
        (np.zeros(4), np.zeros((2, 2))),
        (torch.zeros(2), torch.tensor([0.0, 1.0])),
        (torch.nn.Linear(2, 2, bias=False).weight, torch.zeros(2, 2)),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 3]})),
        ({"a": 1}, {"a": 2}),
        ([1, 2], [2, 1]),
        ("ab", "ba"),
    ],
)
def test_one_bit_makes_another_digest(one, other):
    assert state_digest({"x": one}) != state_digest({"x": other})


def test_the_clock_of_a_search_is_no_state():
    one, other = ({"cv_results_": {"mean_fit_time": np.array([t]), "score": 1}, "refit_time_": t} for t in (0.1, 0.2))
    assert state_digest(one) == state_digest(other)
    assert state_digest({"timed": 0.1}) != state_digest({"timed": 0.2})


def test_equal_content_gives_equal_digests():
    def build():
        torch.manual_seed(0)
        return {"w": torch.nn.Linear(3, 2), "t": pd.Series([1.0, np.nan]), "s": {"b", "a"}, "n": np.arange(3)}

    assert state_digest(build()) == state_digest(build())
