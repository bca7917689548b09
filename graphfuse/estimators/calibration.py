"""Scores -> probabilities with one number, fitted on scores that no subject's own label has touched."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax


def fit_temperature(scores: np.ndarray, codes: np.ndarray) -> float:
    """The slope a > 0 that minimises the log loss of ``softmax(a * scores)``.

    Parameters
    ----------
    scores : array (N, C)
        Left-out scores of the training subjects (leave-one-out or inner folds).
    codes : array (N,) int
        Their classes.

    Notes
    -----
    There is no intercept, so the most probable class stays the class of the largest score.
    """
    unit = 1 / max(float(np.abs(scores).mean()), 1e-12)

    def loss(log_slope: float) -> float:
        return -log_softmax(np.exp(log_slope) * unit * scores, axis=1)[np.arange(len(codes)), codes].mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-7, 5), method="bounded").x) * unit)


def probabilities(scores: np.ndarray, slope: float) -> np.ndarray:
    """``softmax(slope * scores)``, (N, C)."""
    return softmax(slope * scores, axis=1)
