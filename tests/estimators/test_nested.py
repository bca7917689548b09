from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import graphfuse as gf
from graphfuse.estimators.late_fusion import LateFusion
from graphfuse.estimators.stacking import Stacking


def model(**options) -> gf.FusionClassifier:
    views = {"fmri": gf.FunctionalGraph(sparsify=gf.TopDensity(0.1)), "smri": gf.MorphometricGraph()}
    return gf.FusionClassifier(**{"views": views, "epochs": 2, "hidden": (4,), "width": 4, **options})


def test_parameters_reach_into_the_views():
    params = model().get_params()
    assert params["views__fmri__sparsify__density"] == 0.1
    assert params["views__smri__nodes"] == "measures"
    assert "views__fmri" not in model().get_params(deep=False)
    changed = model().set_params(
        views__fmri__sparsify__density=0.3, views__smri=gf.MorphometricGraph("gaussian"), width=8
    )
    assert changed.views["fmri"].sparsify.density == 0.3
    assert changed.views["smri"].kind == "gaussian"
    assert changed.width == 8


def test_a_clone_has_views_of_its_own():
    first = model()
    second = clone(first).set_params(views__fmri__sparsify__density=0.5, views__fmri__nodes="strength")
    assert first.views["fmri"].sparsify.density == 0.1
    assert first.views["fmri"].nodes == "profile"
    assert second.views["fmri"].sparsify.density == 0.5
    assert clone(gf.FusionClassifier()).views is None


@pytest.mark.parametrize("wrong", ["views__dti", "views__fmri__density", "depth"])
def test_unknown_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match="Invalid parameter"):
        model().set_params(**{wrong: 1})


def test_a_grid_over_the_density_runs_and_differs(train, test):
    grid = {"views__fmri__sparsify__density": [0.05, 0.6]}
    search = GridSearchCV(model(epochs=3), grid, cv=gf.Splits(folds=2), refit=True, scoring="neg_log_loss")
    search.fit(train, train.y)
    losses = search.cv_results_["mean_test_score"]
    assert np.isfinite(losses).all()
    assert losses[0] != losses[1]
    best = search.best_params_["views__fmri__sparsify__density"]
    assert search.best_estimator_.views_["fmri"].sparsify.density == best
    assert search.predict(test).shape == (len(test),)


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
def test_unknown_parameters_of_models_are_refused(wrong):
    with pytest.raises(ValueError, match="Invalid parameter"):
        LateFusion(models()).set_params(**{wrong: 1})


def test_a_grid_chooses_a_models_features_and_the_rule(train, test):
    grid = {"models__fmri__features": ["correlation", "tangent"], "rule": ["mean", "max"]}
    search = gf.choose(LateFusion(models()), grid, folds=2).fit(train, train.y)
    assert len(np.unique(search.cv_results_["mean_test_score"])) > 1
    assert search.best_estimator_.models_["fmri"].features == search.best_params_["models__fmri__features"]
    assert search.predict_proba(test).shape == (len(test), 2)
