"""Linear support vector machine on feature vectors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.svm import SVC

from graphfuse.cohort import Cohort
from graphfuse.estimators.adjusting import scope_of
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.calibration import fit_temperature, probabilities
from graphfuse.estimators.dealing import inner_folds
from graphfuse.estimators.features import CohortVector


class LinearSVM(CohortClassifier):
    """Linear SVM, one class against the rest, whose kernel has a mean diagonal of 1 on the training subjects.

    Probabilities come from the scores of five inner folds of the training subjects.

    Parameters
    ----------
    signals, features, adjust, impute
        As in `Ridge`.
    C : float
        Penalty.
    """

    uses_y = True

    def __init__(self, signals=None, features="auto", C=1.0, random_state=0, adjust=None, impute=None):
        self.signals = signals
        self.features = features
        self.C = C
        self.random_state = random_state
        self.adjust = adjust
        self.impute = impute

    @property
    def scope(self) -> str:
        """``features`` when a step of `adjust` reads the features of new subjects together, else ``training``."""
        return scope_of(self.adjust)

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        self.vector_ = CohortVector(self.signals, self.features, adjust=self.adjust, impute=self.impute)
        X = self.vector_.fit_transform(cohort, codes).astype(np.float64)
        self.scale_ = float(1 / np.sqrt(np.square(X).sum(1).mean() or 1.0))  # 0 where all features are constant
        K = (X @ X.T) * self.scale_**2
        duals, self.intercept_ = self._machines(K, codes)
        self.coef_ = (X.T @ duals) * self.scale_**2  # (P, C)
        self.slope_ = fit_temperature(self._inner_scores(K, codes, cohort.groups), codes)

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return self.vector_.parts_

    def _machines(self, K: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Dual weights (N, C) and intercepts (C,), so that scores are ``K @ duals + intercepts``."""
        n_classes = len(self.classes_)
        duals, intercepts = np.zeros((len(K), n_classes)), np.zeros(n_classes)
        for c in range(n_classes):
            if n_classes == 2 and c == 1:  # the mirror image of class 0
                return np.stack([duals[:, 0], -duals[:, 0]], 1), np.array([intercepts[0], -intercepts[0]])
            model = SVC(kernel="precomputed", C=self.C).fit(K, codes == c)
            duals[model.support_, c], intercepts[c] = model.dual_coef_[0], model.intercept_[0]
        return duals, intercepts

    def _inner_scores(self, K: np.ndarray, codes: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Scores (N, C) of each training subject from a machine that has not seen its group."""
        scores = np.zeros((len(codes), len(self.classes_)))
        fold_of = inner_folds(codes, groups, 5, self.random_state)
        for fold in range(fold_of.max() + 1):
            train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            duals, intercepts = self._machines(K[np.ix_(train, train)], codes[train])
            scores[test] = K[np.ix_(test, train)] @ duals + intercepts
        return scores

    def decision_function(self, cohort: Cohort) -> np.ndarray:
        """Signed distances to the margins, (N, C)."""
        cohort = self._admitted(cohort)
        return self.vector_.transform(cohort) @ self.coef_ + self.intercept_

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return probabilities(self.decision_function(cohort), self.slope_)
