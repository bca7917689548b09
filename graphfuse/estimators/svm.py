"""Linear support vector machine on feature vectors."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import SVC

from graphfuse.cohort import Cohort
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.calibration import fit_temperature, probabilities
from graphfuse.estimators.features import CohortVector


class LinearSVM(CohortClassifier):
    """Linear SVM, one class against the rest, whose kernel has a mean diagonal of 1 on the training subjects.

    Probabilities come from the scores of five inner folds of the training subjects.

    Parameters
    ----------
    signals, features
        As in `Ridge`.
    C : float
        Penalty.
    """

    def __init__(self, signals=None, features="auto", C=1.0, random_state=0):
        self.signals = signals
        self.features = features
        self.C = C
        self.random_state = random_state

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        self.vector_ = CohortVector(self.signals, self.features).fit(cohort)
        X = self.vector_.transform(cohort).astype(np.float64)
        self.scale_ = float(1 / np.sqrt(np.square(X).sum(1).mean()))
        K = (X @ X.T) * self.scale_**2
        duals, self.intercept_ = self._machines(K, codes)
        self.coef_ = (X.T @ duals) * self.scale_**2  # (P, C)
        self.slope_ = fit_temperature(self._inner_scores(K, codes, cohort.groups), codes)

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
        folds = int(min(5, np.bincount(codes).min()))
        scores = np.zeros((len(codes), len(self.classes_)))
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=self.random_state)
        for train, test in splitter.split(K, codes, groups):
            duals, intercepts = self._machines(K[np.ix_(train, train)], codes[train])
            scores[test] = K[np.ix_(test, train)] @ duals + intercepts
        return scores

    def decision_function(self, cohort: Cohort) -> np.ndarray:
        """Signed distances to the margins, (N, C)."""
        return self.vector_.transform(cohort.blind()) @ self.coef_ + self.intercept_

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return probabilities(self.decision_function(cohort), self.slope_)
