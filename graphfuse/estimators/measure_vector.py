"""Graph measures by region as features of any model that takes vectors."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, clone

from graphfuse.graph.subject_measures import GraphMeasures
from graphfuse.signal import Signal


class MeasureVector(BaseEstimator):
    """The vectors of `GraphMeasures`, standardised with the subjects given to `fit`.

    Parameters
    ----------
    view : GraphMeasures or None
        Which measures of which graph; None = ``GraphMeasures()``.
    """

    uses_y = False
    scope = "training"

    def __init__(self, view=None):
        self.view = view

    def fit(self, signal: Signal) -> MeasureVector:
        """Learn mean and deviation of each measure and region."""
        self.fit_transform(signal)
        return self

    def fit_transform(self, signal: Signal) -> np.ndarray:
        """Fit on these subjects and return their vectors (N, R K)."""
        self.view_ = GraphMeasures() if self.view is None else clone(self.view)
        return self.view_.fit_transform(signal).x.numpy()

    def transform(self, signal: Signal) -> np.ndarray:
        """Vectors (N, R K); zeros, the training mean, for who was not measured."""
        return self.view_.transform(signal).x.numpy()

    def _known(self, signal: Signal) -> np.ndarray:
        """Which entries (n, R K) of the measured subjects lie in usable regions."""
        return np.repeat(signal.usable[signal.present], self.view_.mean_.shape[1], axis=1)
