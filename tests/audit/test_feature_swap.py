from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

import graphfuse as gf
from graphfuse.audit.feature_swap import feature_swap, with_noise
from graphfuse.audit.pipeline import Pipeline
from graphfuse.evaluate.models import models_by_name

from .test_label_flip import MODELS, small


@pytest.fixture(scope="module")
def cohort():
    return gf.simulate_cohort(48, n_frames=(60, 70), atlas_fmri="schaefer-100", leak_column=True, seed=3).cohort


def judged(pipeline, cohort):
    splits = list(gf.Splits(folds=3).split(cohort))[:1]
    return feature_swap(pipeline, cohort, splits, pipeline.outcome(cohort, splits))


@pytest.mark.parametrize("name", MODELS)
def test_every_default_model_learns_from_training_subjects_and_judges_each_test_subject_alone(cohort, name):
    found = judged(Pipeline(name, small(models_by_name(cohort, [name])[name])), cohort)
    assert found.verdict == ("note" if name == "population-transductive" else "pass"), found


def test_a_scaler_of_all_subjects_is_a_leak(noise):
    def scales_all(cohort, train, test):
        X = StandardScaler().fit_transform(cohort.signals["fc"].stack())
        p = 1 / (1 + np.exp(-X[test, 0]))
        return np.column_stack([1 - p, p])

    found = judged(Pipeline("mine", scales_all), noise)
    assert found.verdict == "leak"
    assert "other subjects' predictions change" in found.finding


def test_noise_is_put_where_it_is_asked_for_and_nowhere_else(cohort):
    altered = with_noise(cohort, np.array([1, 3]), seed=0)
    assert np.array_equal(altered.y, cohort.y)
    for name, signal in cohort.signals.items():
        assert np.array_equal(altered.signals[name][0], signal[0])
        assert np.abs(altered.signals[name][1]).max() > 1e5
    assert (
        altered.phenotypes["age"]
        .drop(cohort.subjects[[1, 3]])
        .equals(cohort.phenotypes["age"].drop(cohort.subjects[[1, 3]]))
    )
