from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import graphfuse as gf
from graphfuse.evaluate.fusion_models import fusion_models
from graphfuse.evaluate.leaderboard import leaderboard
from graphfuse.systems import make_system


@pytest.fixture(scope="module")
def result():
    cohort = gf.simulate_cohort(48, modalities=("smri",), missing={}, seed=0).cohort
    models = {"majority": gf.Majority(), "ridge": gf.Ridge(), "kipf": make_system("kipf", cohort, epochs=3)}
    return gf.cross_validate(models, cohort, gf.Splits(folds=4), baselines="none")


def test_the_best_model_comes_first_with_its_interval_test_and_costs(result):
    board = leaderboard(result)
    assert board["auc"].is_monotonic_decreasing
    row = board.set_index("model").loc["kipf"]
    assert row["role"] == "system"
    assert row["low"] <= row["auc"] <= row["high"]
    assert row["parameters"] == (35 + 1) * 16 + (16 + 1) * 2
    assert row["seconds"] > 0
    assert row["peak_mb"] >= 0
    assert pd.isna(board.set_index("model").loc[result.best_baseline(), "p_holm"])


def test_the_order_follows_the_metric(result):
    assert leaderboard(result, "brier")["brier"].is_monotonic_increasing
    assert "accuracy" in leaderboard(result, "accuracy").columns


def test_a_published_claim_stands_beside_what_came_out(result):
    board = leaderboard(result, claims={"kipf": "accuracy 99 %"}).set_index("model")
    assert board["claim"].to_dict() == {"kipf": "accuracy 99 %", "ridge": "", "majority": ""}
    assert "claim" not in leaderboard(result)


def test_costs_that_an_older_run_did_not_tell_are_nan(result):

    older = replace(result, seconds=result.seconds[["model", "repeat", "fold", "seconds"]])
    board = older.leaderboard()
    assert board["parameters"].isna().all()
    assert np.isfinite(board["seconds"]).all()


def test_the_verdict_says_how_many_systems_beat_the_baselines(result):
    assert "Of 1 published systems, 0 beat the best baseline" in result.verdict()


def test_a_fusion_of_networks_is_no_published_system_and_no_graph_model():
    cohort = gf.simulate_cohort(40, n_frames=(60, 60), seed=0).cohort
    models = {"hierarchical": fusion_models(cohort)["hierarchical"].set_params(epochs=2), "ridge": gf.Ridge()}
    result = gf.cross_validate(models, cohort, gf.Splits(folds=2), baselines="none")
    assert result.role("hierarchical") == "fusion"
    assert result.verdict() == "No graph model was evaluated."
