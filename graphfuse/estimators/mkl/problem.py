"""What the weights of kernels are chosen on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Problem(NamedTuple):
    """K kernels of N training people and which side each person is on.

    Parameters
    ----------
    kernels : array (K, N, N)
        0 where one of two people lacks a modality: as if that person were the training mean, which keeps each kernel
        positive semi-definite.
    has : bool array (K, N)
    signs : array (N,)
        1 in the class, -1 in the others.
    C : float
        Penalty of the support vector machine.
    """

    kernels: np.ndarray
    has: np.ndarray
    signs: np.ndarray
    C: float = 1.0


def equal_weights(problem: Problem) -> np.ndarray:
    """``eta_m = 1 / K``."""
    return np.full(len(problem.kernels), 1 / len(problem.kernels))


def on_simplex(weights: np.ndarray) -> np.ndarray:
    """``w / sum w`` of weights (K,) of at least 0; equal ones where all are 0."""
    total = weights.sum()
    return weights / total if total > 0 else np.full(len(weights), 1 / len(weights))
