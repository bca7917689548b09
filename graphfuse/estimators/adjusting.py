"""Harmonisation between feature vectors and classifiers: steps fitted on the measured training subjects."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, clone

from graphfuse.errors import InvalidOption


def steps_of(adjust) -> list:
    """The steps of an `adjust` option: none, one, or several in order."""
    if adjust is None:
        return []
    steps = list(adjust) if isinstance(adjust, (list, tuple)) else [adjust]
    for step in steps:
        if not (hasattr(step, "fit") and hasattr(step, "transform")):
            raise InvalidOption(
                f"adjust must be a step with fit(X, cohort, codes) and transform(X, cohort), such as ComBat(), or a "
                f"sequence of them; got a {type(step).__name__}."
            )
    return steps


def scope_of(adjust) -> str:
    """``features`` if a step may read the features of new subjects together, else ``training``."""
    scopes = {getattr(step, "scope", "training") for step in steps_of(adjust)}
    return "features" if "features" in scopes else "training"


class AdjustedVector(BaseEstimator):
    """The vectors of one modality after the steps of `adjust`, with zeros as the training mean again.

    Parameters
    ----------
    adjust : step or sequence of steps

    Attributes
    ----------
    steps_ : list of fitted steps
    mean_ : array (P,)
        Of the training subjects' adjusted vectors.
    """

    uses_y = False

    def __init__(self, adjust):
        self.adjust = adjust

    @property
    def scope(self) -> str:
        """The widest scope of the steps."""
        return scope_of(self.adjust)

    def fit_transform(self, X: np.ndarray, known: np.ndarray, present: np.ndarray, cohort, codes=None) -> np.ndarray:
        """Fit on the rows of X (N, P) that are `present` (N,) and return all N, float32.

        `known` (n, P) says which entries of the n measured subjects were measured; the others are zeros and stay so.
        """
        vectors, measured = X[present].astype(np.float64), cohort[present]
        codes = None if codes is None else codes[present]
        self.steps_ = [clone(step) for step in steps_of(self.adjust)]
        for step in self.steps_:
            vectors = step.fit(vectors, measured, codes).transform(vectors, measured)
        self.mean_ = (vectors * known).sum(0) / known.sum(0).clip(1)
        return self._centred(vectors, known, present)

    def transform(self, X: np.ndarray, known: np.ndarray, present: np.ndarray, cohort) -> np.ndarray:
        """The adjusted vectors of N new subjects, (N, P) float32."""
        vectors, measured = X[present].astype(np.float64), cohort[present]
        for step in self.steps_:
            vectors = step.transform(vectors, measured)
        return self._centred(vectors, known, present)

    def _centred(self, vectors: np.ndarray, known: np.ndarray, present: np.ndarray) -> np.ndarray:
        full = np.zeros((len(present), vectors.shape[1]), np.float32)
        full[present] = np.where(known, vectors - self.mean_, 0)
        return full
