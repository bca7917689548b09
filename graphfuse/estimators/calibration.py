"""Scores -> probabilities with one number, fitted on scores that no subject's own label has touched."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from graphfuse._check import check_finite


def fit_temperature(scores: np.ndarray, codes: np.ndarray, spread: float = np.inf) -> float:
    """The slope a > 0 that minimises the log loss of ``softmax(a * scores)``; the temperature is 1 / a.

    Parameters
    ----------
    scores : array (N, C)
        Left-out scores of the training subjects (leave-one-out or inner folds).
    codes : array (N,) int
        Their classes.
    spread : float
        Standard deviation of log a before the scores were seen, around a = 1; infinite: any slope is as good. Few
        scores, told apart perfectly or not at all by luck, would else give a slope without end or none.

    Notes
    -----
    There is no intercept, so the most probable class stays the class of the largest score.

    References
    ----------
    Guo et al. 2017, On calibration of modern neural networks, arXiv:1706.04599
    """
    check_finite("scores", scores)
    own, rows = -np.log(max(float(np.abs(scores).mean()), 1e-12)), np.arange(len(codes))
    bounds = (own - 7, own + 5) if np.isinf(spread) else (min(own, 0) - 7, max(own, 0) + 5)

    def loss(log_slope: float) -> float:
        doubt = (log_slope / spread) ** 2 / (2 * len(codes))
        return doubt - log_softmax(np.exp(log_slope) * scores, axis=1)[rows, codes].mean()

    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def probabilities(scores: np.ndarray, slope: float) -> np.ndarray:
    """``softmax(slope * scores)``, (N, C)."""
    return softmax(slope * scores, axis=1)
