from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import graphfuse as gf
from graphfuse.evaluate import costs


@pytest.mark.skipif(not costs.PROCESS.exists(), reason="memory is known on Linux alone")
def test_memory_is_what_came_on_top():
    with costs.measured() as cost:
        block = np.ones(10_000_000)
        del block
    assert 70 < cost.peak_mb < 200
    with costs.measured() as cost:
        pass
    assert cost.peak_mb < 20
    assert 0 <= cost.seconds < 1


def test_memory_is_not_known_where_the_system_does_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr(costs, "PROCESS", tmp_path / "nothing")
    with costs.measured() as cost:
        pass
    assert np.isnan(cost.peak_mb)


def test_parameters_are_counted_in_all_parts():
    X, y = np.random.default_rng(0).normal(size=(20, 5)), np.arange(20) % 2
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    assert costs.parameter_count(fitted) == 6
    assert costs.parameter_count(torch.nn.Linear(4, 3)) == 15
    assert costs.parameter_count({"a": [torch.nn.Linear(1, 1), None], "b": "text"}) == 2


def test_parameters_of_a_network_are_those_of_all_its_members():
    cohort = gf.simulate_cohort(30, modalities=("smri",), missing={}, seed=0).cohort
    model = gf.MLP(hidden=4, epochs=1, members=2).fit(cohort)
    assert costs.parameter_count(model) == 2 * ((68 * 5 + 1) * 4 + (4 + 1) * 2)
