"""Ridge on feature vectors, and the equal mean of several: the baselines that a graph has to beat."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import RidgeCV

from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption
from graphfuse.estimators.adjusting import scope_of, steps_of
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.calibration import fit_temperature, probabilities
from graphfuse.estimators.features import CohortVector

ALPHAS = tuple(10.0**k for k in range(-2, 7))


class Ridge(CohortClassifier):
    """Ridge regression on class indicators of -1 and 1; alpha by leave-one-out error on the training subjects.

    Parameters
    ----------
    signals : sequence of str or None
        Modalities; None = all.
    features : str
        ``auto``, ``correlation``, ``partial``, ``tangent``, ``given`` or ``values``.
    alphas : sequence of float
        Penalties to choose from, relative to the mean squared length of a feature vector times 1e-3.
    adjust : step, sequence of steps or None
        Harmonisation of the vectors on the training subjects, such as ``ComBat(covariates=("age",))``.
    impute : str, Imputer or None
        What stands in for a modality that somebody lacks, learned from the training subjects: ``mean``, ``nearest``,
        ``propagation``, ``ridge`` or an object of `graphfuse.estimators.imputation`; None = zeros, the training mean.

    Attributes
    ----------
    coef_ (P, C), intercept_ (C,), alpha_, slope_ : the linear scores and the slope of their probabilities.
    """

    uses_y = True

    def __init__(self, signals=None, features="auto", alphas=ALPHAS, adjust=None, impute=None):
        self.signals = signals
        self.features = features
        self.alphas = alphas
        self.adjust = adjust
        self.impute = impute

    @property
    def scope(self) -> str:
        """``features`` when a step of `adjust` reads the features of new subjects together, else ``training``."""
        return scope_of(self.adjust)

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        self.vector_ = CohortVector(self.signals, self.features, adjust=self.adjust, impute=self.impute)
        X = self.vector_.fit_transform(cohort, codes).astype(np.float64)  # (N, P)
        Y = np.where(codes[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)  # (N, C)
        # Any scorer makes RidgeCV keep the left-out predictions instead of their errors.
        model = RidgeCV(self._penalties(X), scoring="neg_mean_squared_error", store_cv_results=True).fit(X, Y)
        self.alpha_ = float(model.alpha_)
        self.coef_, self.intercept_ = model.coef_.T.copy(), np.asarray(model.intercept_)
        left_out = model.cv_results_[..., list(model.alphas).index(model.alpha_)]
        self.left_out_scores_ = left_out.reshape(Y.shape)  # in the order of ids, as `fit` sorts people
        self.slope_ = fit_temperature(self.left_out_scores_, codes)

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return self.vector_.parts_

    def _penalties(self, X: np.ndarray) -> list[float]:
        unit = 1e-3 * np.square(X).sum(1).mean() or 1.0  # all features constant: any penalty leaves the intercept only
        return [float(alpha * unit) for alpha in self.alphas]

    def decision_function(self, cohort: Cohort) -> np.ndarray:
        """Ridge scores, (N, C); about 1 for the class and -1 for the others."""
        cohort = self._admitted(cohort)
        return self.vector_.transform(cohort) @ self.coef_ + self.intercept_

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return probabilities(self.decision_function(cohort), self.slope_)


class MeanOfRidges(CohortClassifier):
    """The equal mean of the scores of several `Ridge` models, one a modality and feature kind.

    Parameters
    ----------
    ridges : dict of str to Ridge or None
        None = correlation and tangent of every time series, and the values of every other modality.
    adjust : step, sequence of steps or None
        As in `Ridge`, for the models of ``ridges=None``; a `Ridge` that is given has its own.
    """

    uses_y = True

    def __init__(self, ridges=None, adjust=None):
        self.ridges = ridges
        self.adjust = adjust

    @property
    def scope(self) -> str:
        """``features`` when a step of `adjust`, here or in a ridge, reads the features of new subjects together."""
        return scope_of([step for model in (self, *(self.ridges or {}).values()) for step in steps_of(model.adjust)])

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        if self.ridges and self.adjust is not None:
            raise InvalidOption("adjust belongs to ridges=None; give each Ridge in ridges an adjust of its own.")
        ridges = self.ridges or default_ridges(cohort, self.adjust)
        self.ridges_ = {name: clone(ridge).fit(cohort, self.classes_[codes]) for name, ridge in ridges.items()}
        left_out = np.mean([ridge.left_out_scores_ for ridge in self.ridges_.values()], axis=0)
        self.slope_ = fit_temperature(left_out, codes)

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return dict.fromkeys(name for ridge in self.ridges_.values() for name in ridge.layout_)

    def decision_function(self, cohort: Cohort) -> np.ndarray:
        """Mean of the ridge scores, (N, C)."""
        cohort = self._admitted(cohort)
        return np.mean([ridge.decision_function(cohort) for ridge in self.ridges_.values()], axis=0)

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return probabilities(self.decision_function(cohort), self.slope_)


def default_ridges(cohort: Cohort, adjust=None) -> dict[str, Ridge]:
    """Name -> Ridge for every modality: ``ridge-correlation-S`` and ``ridge-tangent-S``, or ``ridge-S``."""
    ridges = {}
    for name, signal in cohort.signals.items():
        if signal.kind == "timeseries":
            for kind in ("correlation", "tangent"):
                ridges[f"ridge-{kind}-{name}"] = Ridge((name,), kind, adjust=adjust)
        elif signal.kind != "volume":
            ridges[f"ridge-{name}"] = Ridge((name,), adjust=adjust)
    return ridges
