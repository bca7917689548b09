from __future__ import annotations

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.audit.label_flip import label_flip
from graphfuse.audit.pipeline import Pipeline
from graphfuse.evaluate.models import models_by_name


@pytest.fixture(scope="module")
def cohort():
    return gf.simulate_cohort(48, n_frames=(60, 70), atlas_fmri="schaefer-100", leak_column=True, seed=3).cohort


def small(model):
    return model.set_params(epochs=2) if "epochs" in model.get_params() else model


def judged(pipeline, cohort):
    splits = list(gf.Splits(folds=3).split(cohort))[:1]
    return label_flip(pipeline, cohort, splits, pipeline.outcome(cohort, splits))


MODELS = [
    "majority", "confounds", "ridge-correlation-fmri", "ridge-tangent-fmri", "ridge-smri", "mean-of-ridges",
    "svm-correlation-fmri", "mlp", "fusion", "fusion-no-edges", "fusion-shuffled-edges", "population",
    "population-transductive", "mkl-average", "late-weighted", "stacking", "hybrid", "hierarchical",
]  # fmt: skip


def test_the_list_holds_every_default_model(cohort):
    assert sorted(models_by_name(cohort, ["all"])) == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_every_default_model_is_blind_to_test_labels(cohort, name):
    found = judged(Pipeline(name, small(models_by_name(cohort, [name])[name])), cohort)
    assert found.verdict == "pass", found


@pytest.mark.parametrize(
    "model",
    [
        gf.Ridge(("smri",), adjust=gf.ComBat(covariates=("age",))),
        gf.Ridge(("smri",), adjust=gf.LocationScale()),
        gf.Ridge(("smri",), adjust=gf.RegressOut(("age",))),
        gf.choose(gf.Ridge(("smri",)), {"alphas": [(1.0,), (100.0,)]}, folds=3),
        gf.ConformalClassifier(gf.Ridge(("smri",))),
    ],
    ids=lambda model: type(model).__name__,
)
def test_harmonisation_nested_choice_and_conformal_scores_are_blind_too(cohort, model):
    found = judged(Pipeline("model", model), cohort)
    assert found.verdict == "pass", found


def test_a_function_that_stops_without_test_labels_has_read_them(cohort):
    def counts(cohort, train, test):
        if (cohort.y[test] < 0).any():
            raise ValueError("no label")
        return np.full((len(test), 2), 0.5)

    found = judged(Pipeline("mine", counts), cohort)
    assert found.verdict == "leak"
    assert "removed: stops with ValueError" in found.finding
