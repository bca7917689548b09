from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import graphfuse as gf
from graphfuse.estimators.late_fusion import LateFusion
from graphfuse.estimators.stacking import Stacking


def models() -> dict:
    return {"fmri": gf.Ridge(("fmri",)), "smri": gf.LinearSVM(("smri",))}


@pytest.mark.parametrize("kind", [LateFusion, Stacking])
def test_parameters_reach_into_the_models(kind):
    fusion = kind(models())
    params = fusion.get_params()
    assert params["models__fmri__features"] == "auto"
    assert params["models__smri"] is fusion.models["smri"]
    assert "models__fmri" not in fusion.get_params(deep=False)
    changed = fusion.set_params(models__fmri__features="tangent", models__smri=gf.Ridge(("smri",)), folds=3)
    assert changed.models["fmri"].features == "tangent"
    assert isinstance(changed.models["smri"], gf.Ridge)
    assert changed.folds == 3


@pytest.mark.parametrize("kind", [LateFusion, Stacking])
def test_a_clone_has_models_of_its_own(kind):
    first = kind(models(), folds=4)
    second = clone(first).set_params(models__fmri__features="tangent")
    assert first.models["fmri"].features == "auto"
    assert second.models["fmri"].features == "tangent"
    assert second.folds == 4
    assert clone(kind()).models is None


@pytest.mark.parametrize("wrong", ["models__dti", "models__fmri__density", "depth"])
def test_unknown_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match="Invalid parameter"):
        LateFusion(models()).set_params(**{wrong: 1})


def test_a_grid_chooses_a_models_features_and_the_rule(train, test):
    grid = {"models__fmri__features": ["correlation", "tangent"], "rule": ["mean", "max"]}
    search = gf.choose(LateFusion(models()), grid, folds=2).fit(train, train.y)
    assert len(np.unique(search.cv_results_["mean_test_score"])) > 1
    assert search.best_estimator_.models_["fmri"].features == search.best_params_["models__fmri__features"]
    assert search.predict_proba(test).shape == (len(test), 2)
