from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphfuse.latents import area_under_curve, crossed_delta, crossed_latents, crossed_liability, separate_latents


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return pd.DataFrame({"person": np.arange(20_000), "class": np.arange(20_000) % 2})


def test_the_mean_of_separate_latents_has_the_auc_asked_for(people):
    latents = separate_latents(people, 3, 0.8, 0.4, np.random.default_rng(0))
    assert area_under_curve(people["class"], latents.mean(1)) == pytest.approx(0.8, abs=0.01)
    assert area_under_curve(people["class"], latents[:, 0]) < 0.8 - 0.02
    within = latents - latents[people["class"] == 1].mean(0) * (people["class"].to_numpy()[:, None] * 2 - 1)
    assert np.corrcoef(within.T)[0, 1] == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize("auc", [0.7, 0.9])
def test_crossed_latents_tell_the_class_together_and_not_alone(people, auc):
    latents = crossed_latents(people, auc, np.random.default_rng(1))
    label = people["class"]
    assert area_under_curve(label, crossed_liability(latents, crossed_delta(auc))) == pytest.approx(auc, abs=0.015)
    for score in (*latents.T, latents.sum(1), *(latents**2).T, np.abs(latents).sum(1)):
        assert area_under_curve(label, score) == pytest.approx(0.5, abs=0.015)
    assert area_under_curve(label, latents.prod(1)) > auc - 0.03  # their product is nearly optimal


def test_no_effect_is_no_distance():
    assert crossed_delta(0.5) == 0


def test_scans_of_one_person_have_the_same_latents():
    twice = pd.DataFrame({"person": [0, 1, 0, 1], "class": [0, 1, 0, 1]})
    for latents in (
        separate_latents(twice, 2, 0.8, 0.5, np.random.default_rng(2)),
        crossed_latents(twice, 0.8, np.random.default_rng(2)),
    ):
        assert np.array_equal(latents[:2], latents[2:])


def test_area_under_curve_counts_pairs_in_order():
    assert area_under_curve(np.array([0, 0, 1, 1]), np.array([1, 3, 2, 4])) == 0.75
