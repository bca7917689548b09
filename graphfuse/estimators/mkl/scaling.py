"""Similarities to the training people, brought to one scale and centred with training means only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from graphfuse._check import check_option


class Similarities(NamedTuple):
    """How alike n people are to the N training people, in one kernel.

    Parameters
    ----------
    rows : array (n, N)
        0 where one of the two lacks the modality.
    own : array (n,)
        Of each person to oneself.
    has : bool array (n,)
        Who has the modality.
    """

    rows: np.ndarray
    own: np.ndarray
    has: np.ndarray


def own_length(own: np.ndarray, variance: float) -> np.ndarray:
    """``sqrt(K_ii)``: every person gets length 1 (cosine, or spherical normalisation)."""
    return np.sqrt(own.clip(0))


def common_length(own: np.ndarray, variance: float) -> np.ndarray:
    """The root of the training people's variance, for everybody: the mean of the centred diagonal becomes 1."""
    return np.full(len(own), np.sqrt(max(variance, 0)))


SHORTEST = 1e-6  # of the training people's root mean square: a length below it is rounding
LENGTHS = {"cosine": own_length, "variance": common_length}


class ScaledKernel(BaseEstimator):
    """``K_ij / (l_i l_j)``, then centred in feature space: ``k - mean_j k_j - mean_i k_i + mean_ij``.

    All means run over the training people who have the modality, so that a new person's row depends on nobody new.
    Where a length is 0 the similarities are 0.

    Parameters
    ----------
    normalise : str
        A key of `LENGTHS`: ``cosine``, ``l_i = sqrt(K_ii)``; ``variance``, one number for all.

    References
    ----------
    Kloft et al. 2011, lp-norm multiple kernel learning, JMLR 12:953-997 (both normalisations);
    Schoelkopf et al. 1998, Nonlinear component analysis as a kernel eigenvalue problem, Neural Comput. 10:1299-1319
    """

    uses_y, scope = False, "training"

    def __init__(self, normalise="cosine"):
        self.normalise = normalise

    def fit_transform(self, kernel: Similarities) -> Similarities:
        """Learn lengths and means of the training people and return their scaled kernel (N, N)."""
        check_option("normalise", self.normalise, LENGTHS)
        self.has_, n = kernel.has, max(int(kernel.has.sum()), 1)
        square = float(kernel.own[kernel.has].sum() / n)
        self.shortest_ = SHORTEST * square**0.5
        self.variance_ = square - float(kernel.rows.sum() / n**2)
        self.lengths_ = self._lengths(kernel.own)
        rows = self._divided(kernel).rows
        self.mean_ = rows.sum(0) / n  # (N,)
        self.grand_mean_ = float(rows.sum() / n**2)
        return self.transform(kernel)

    def transform(self, kernel: Similarities) -> Similarities:
        """The scaled rows (n, N) of people by their similarities to the training people."""
        rows, own, has = self._divided(kernel)
        towards = rows.sum(1) / max(int(self.has_.sum()), 1)  # (n,) mean similarity to the training people
        centred = rows - towards[:, None] - self.mean_ + self.grand_mean_
        own = own - 2 * towards + self.grand_mean_
        return Similarities(np.where(has[:, None] & self.has_, centred, 0), np.where(has, own, 0), has)

    def _divided(self, kernel: Similarities) -> Similarities:
        lengths = self._lengths(kernel.own)
        return Similarities(kernel.rows / lengths[:, None] / self.lengths_, kernel.own / lengths**2, kernel.has)

    def _lengths(self, own: np.ndarray) -> np.ndarray:
        lengths = LENGTHS[self.normalise](own, self.variance_)
        return np.where(lengths > self.shortest_, lengths, np.inf)
