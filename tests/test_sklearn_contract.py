"""scikit-learn's own checks, on every classifier of cohorts through an adapter that makes a cohort of an array."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

import graphfuse as gf
from graphfuse.errors import GraphFuseError, NotFitted

NET = {"epochs": 60, "learning_rate": 0.03, "members": 1, "dropout": 0.0}
# name -> (the model, how an array becomes a signal)
MODELS = {
    "majority": (gf.Majority(), "vector"),
    "confounds": (gf.Confounds(), "columns"),
    "ridge": (gf.Ridge(), "vector"),
    "ridge-adjusted": (gf.Ridge(adjust=gf.LocationScale()), "vector"),
    "conformal": (gf.ConformalClassifier(gf.Ridge(), folds=2), "vector"),
    "mean-of-ridges": (gf.MeanOfRidges(), "vector"),
    "svm": (gf.LinearSVM(), "vector"),
    "mlp": (gf.MLP(hidden=16, **NET), "vector"),
    "fusion": (gf.FusionClassifier(hidden=(8,), width=8, **NET), "measures"),
    "population": (gf.PopulationClassifier(hidden=(8,), **NET), "vector"),
    "mkl": (gf.MultipleKernel(), "vector"),
    "late": (gf.LateFusion(rule="weighted"), "vector"),
    "stacking": (gf.Stacking(), "vector"),
    "hybrid": (gf.HybridFusion({"x": gf.VectorView()}, width=16, **NET), "vector"),
}
# What cannot hold, and why; a check that passes after all is an error (xfail_strict).
EXPECTED = {
    "FusionClassifier": {
        "check_estimators_dtypes": "A row of zeros is a person without one usable region, which is refused by name."
    }
}


def cohort_of(X: np.ndarray, how: str) -> gf.Cohort:
    """A cohort of people whose only signal is the row of an array; or whose confounds it is."""
    table = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])], index=[f"s{i}" for i in range(len(X))])
    if how == "columns":
        return gf.Cohort(table, confounds=tuple(table.columns))
    people = table[[]].assign(site="here")
    arrays = list(X) if how == "vector" else list(X[:, :, None])  # measures: p regions with one measure
    return gf.Cohort(people, {"x": gf.Signal.pack(how, arrays)}, site="site")


class OnArrays(ClassifierMixin, BaseEstimator):
    """A classifier of cohorts as a classifier of arrays (n, p)."""

    def __init__(self, model=None, how="vector"):
        self.model = model
        self.how = how

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = isinstance(self.model, gf.Majority)  # it does not look at X
        return tags

    def fit(self, X, y):
        X, y = validate_data(self, X, y, ensure_min_samples=2, dtype=float)
        check_classification_targets(y)
        self.model_ = clone(self.model or gf.Ridge()).fit(cohort_of(X, self.how), y)
        self.classes_ = self.model_.classes_
        return self

    def _ask(self, method: str, X) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=float)
        return getattr(self.model_, method)(cohort_of(X, self.how))

    def predict(self, X):
        return self._ask("predict", X)

    def predict_proba(self, X):
        return self._ask("predict_proba", X)


def expected(estimator: OnArrays) -> dict[str, str]:
    return EXPECTED.get(type(estimator.model).__name__, {})


@parametrize_with_checks(
    [OnArrays(*parts) for parts in MODELS.values()], expected_failed_checks=expected, xfail_strict=True
)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


ON_THEMSELVES = (
    checks.check_estimator_cloneable,
    checks.check_estimator_repr,
    checks.check_estimator_tags_renamed,
    checks.check_valid_tag_types,
    checks.check_no_attributes_set_in_init,
    checks.check_do_not_raise_errors_in_init_or_set_params,
    checks.check_parameters_default_constructible,
    checks.check_get_params_invariance,
    checks.check_set_params,
    checks.check_mixin_order,
)
PARTS = [
    gf.FunctionalGraph(), gf.MorphometricGraph(), gf.PopulationGraph(), gf.TangentSpace(), gf.TopDensity(),
    gf.Threshold(), gf.KNearest(), gf.SpanningDensity(), gf.DisparityFilter(),
    gf.ComBat(), gf.LocationScale(), gf.RegressOut(("age",)),
]  # fmt: skip


@pytest.mark.parametrize("check", ON_THEMSELVES, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "estimator", [*(model for model, _ in MODELS.values()), *PARTS], ids=lambda e: type(e).__name__
)
def test_what_needs_no_data_holds_without_the_adapter(estimator, check):
    check(type(estimator).__name__, clone(estimator))


def test_not_fitted_is_scikit_learns_own_error_too():
    assert issubclass(NotFitted, NotFittedError)
    assert issubclass(NotFitted, GraphFuseError)
