from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import graphfuse as gf
from graphfuse.errors import InvalidOption, NonFinite, NotFitted, ShapeMismatch
from graphfuse.estimators.together import fit_together

SMALL = {"epochs": 12, "patience": 4, "components": 20}
MODELS = {
    "gcn": gf.PopulationClassifier(conv="gcn", **SMALL),
    "cheb": gf.PopulationClassifier(conv="cheb", hidden=(8, 4), **SMALL),
    "gat": gf.PopulationClassifier(conv="gat", hidden=(4,), epochs=2, components=5),
    "mlp": gf.MLP(("smri",), epochs=12, patience=4, hidden=6),
}


def folds(cohort, count=3):
    return [(cohort[np.arange(len(cohort)) % 5 != k], cohort[np.arange(len(cohort)) % 5 == k]) for k in range(count)]


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_those_of_models_fitted_one_by_one(cohort, name):
    parts = [pair for pair in folds(cohort) for _ in range(2)]
    models = [clone(MODELS[name]).set_params(random_state=seed % 2) for seed in range(len(parts))]
    fitted = fit_together(models, [train for train, _ in parts])
    assert all(a is b for a, b in zip(fitted, models, strict=True))
    for model, (train, test) in zip(models, parts, strict=True):
        alone = clone(model).fit(train)
        assert [len(losses) for losses in model.history_] == [len(losses) for losses in alone.history_]
        np.testing.assert_allclose(model.predict_proba(test), alone.predict_proba(test), atol=1e-5)


def test_transductive_models_take_in_their_own_unlabelled_people(cohort):
    pairs = folds(cohort)
    models = [clone(MODELS["gcn"]) for _ in pairs]
    fit_together(models, [train.blind() for train, _ in pairs], [train.y for train, _ in pairs], [t for _, t in pairs])
    for model, (train, test) in zip(models, pairs, strict=True):
        assert set(model.unlabelled_) == set(test.subjects)
        alone = clone(model).fit(train, unlabelled=test)
        np.testing.assert_allclose(model.predict_proba(test), alone.predict_proba(test), atol=1e-5)


def test_models_of_different_kinds_and_shapes_are_fitted_in_one_call(cohort):
    pairs = folds(cohort, 2)
    models = [clone(MODELS["mlp"]), clone(MODELS["gcn"])]
    fit_together(models, [train for train, _ in pairs])
    for model, (train, test) in zip(models, pairs, strict=True):
        np.testing.assert_allclose(model.predict_proba(test), clone(model).fit(train).predict_proba(test), atol=1e-5)


def test_what_it_cannot_fit_is_refused(cohort):
    mlp = gf.MLP(epochs=1)
    with pytest.raises(InvalidOption, match="Ridge"):
        fit_together([gf.Ridge()], [cohort])
    with pytest.raises(InvalidOption, match="clone"):
        fit_together([mlp, mlp], [cohort, cohort])
    with pytest.raises(ShapeMismatch, match="cohorts"):
        fit_together([mlp], [cohort, cohort])
    with pytest.raises(ShapeMismatch, match="ys"):
        fit_together([mlp], [cohort], [])
    assert fit_together([], []) == []


def test_a_model_whose_training_failed_is_not_fitted(train, test):
    model = gf.MLP(("smri",), learning_rate=1e30, epochs=3)
    with pytest.raises(NonFinite):
        model.fit(train)
    with pytest.raises(NotFitted):
        model.predict_proba(test)
