from __future__ import annotations

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.audit.pipeline import Pipeline, with_labels
from graphfuse.errors import InvalidOption, ShapeMismatch


def test_an_estimator_gives_what_cross_validate_gives(noise):
    splits = gf.Splits(folds=3)
    result = gf.cross_validate(gf.Ridge(), noise, splits, baselines="none")
    outcome = Pipeline("m", gf.Ridge()).outcome(noise, list(splits.split(noise))[:1])
    first = result.predictions[result.predictions["fold"] == 0].filter(like="p_").to_numpy()
    assert np.array_equal(outcome.probabilities, first)
    assert hasattr(outcome.fitted, "coef_")


def test_each_run_starts_from_the_same_state(noise):
    calls = []

    def counts(cohort, train, test):
        calls.append(1)
        return np.full((len(test), 2), len(calls))

    pipeline, folds = Pipeline("mine", counts), list(gf.Splits(folds=3).split(noise))
    assert [pipeline.outcome(noise, folds[:2]).probabilities[0, 0] for _ in range(2)] == [2, 2]
    assert calls == []


def test_what_is_no_pipeline_and_what_is_no_answer_is_refused(noise):
    with pytest.raises(InvalidOption, match="function"):
        Pipeline("m", 3)
    with pytest.raises(ShapeMismatch, match="one row a test subject"):
        Pipeline("m", lambda *_: np.zeros(3)).outcome(noise, list(gf.Splits(folds=3).split(noise))[:1])


def test_labels_can_be_changed_and_removed(noise):
    rows = np.array([0, 5])
    assert np.array_equal(with_labels(noise, rows, 1 - noise.y[rows]).y[rows], 1 - noise.y[rows])
    removed = with_labels(noise, rows, None)
    assert removed.y[rows].tolist() == [-1, -1]
    assert np.array_equal(np.delete(removed.y, rows), np.delete(noise.y, rows))
    assert len(removed[np.array([1, 2])]) == 2
