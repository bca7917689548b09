from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import graphfuse as gf


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
