"""Matrix logarithms of covariances as rows of numbers."""

from __future__ import annotations

from math import sqrt

import numpy as np
import torch
from sklearn.base import BaseEstimator

from graphfuse.cohort import Cohort
from graphfuse.connectome.eigen import spd_log
from graphfuse.connectome.functional import scale_free_covariance
from graphfuse.connectome.vectorise import upper_triangle


class LogRows(BaseEstimator):
    """``vec(log S)`` of each person's covariance, so that inner products are ``tr(log S_a log S_b)``.

    S is the shrunk covariance of the z-scored series, as `TangentSpace` reads it. A region that is not usable has a
    logarithm of 0: it adds nothing.

    Parameters
    ----------
    signal : str
        Name of a time series.

    References
    ----------
    Arsigny et al. 2007, Geometric means in a novel vector space structure on symmetric positive-definite matrices,
    SIAM J. Matrix Anal. Appl. 29:328-347
    """

    uses_y, scope = False, "own"

    def __init__(self, signal="fmri"):
        self.signal = signal

    def fit_transform(self, cohort: Cohort, codes=None) -> np.ndarray:
        """Rows (N, R (R + 1) / 2); nothing is learned."""
        self.n_regions_ = cohort.signals[self.signal].n_regions
        return self.transform(cohort)

    def transform(self, cohort: Cohort) -> np.ndarray:
        """Rows (N, R (R + 1) / 2); zeros for who was not measured."""
        signal = cohort.signals[self.signal]
        rows = np.zeros((len(cohort), self.n_regions_ * (self.n_regions_ + 1) // 2))
        if signal.present.any():
            usable = torch.as_tensor(signal.usable[signal.present])
            logs = spd_log(scale_free_covariance(signal.arrays(), usable=usable))  # (n, R, R)
            rows[signal.present] = sqrt(2) * upper_triangle(logs, diagonal=True).numpy()
        return rows
