"""Scores -> probabilities with one number, fitted on scores that no subject's own label has touched."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from torch import Tensor

from graphfuse._check import check_finite

COARSE = torch.arange(-4.0, 3.0, dtype=torch.float64)  # log slopes, and those around the best of them:
FINE = torch.linspace(-0.75, 0.75, 7, dtype=torch.float64)  # a quarter apart, so that a loss is right to .002 at worst


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


def calibrated_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The log loss of ``softmax(a * logits)`` at the slope a that suits it best, with the doubt N(0, 1) about log a.

    It judges a network as it will answer, once its temperature is fitted: to be too sure costs nothing that the
    temperature gives back. The plain log loss of a network that grows sure rises while it still learns to tell the
    classes apart, and would choose an epoch at which it has hardly begun.

    Parameters
    ----------
    logits : tensor (M, B, C)
        Of M networks.
    target : int tensor (M, B)
    weight : tensor (M, B)
        1 / n for each of a network's n rows, 0 for rows that only fill up.

    Returns
    -------
    float64 tensor (M,)
    """
    scores = logits.double().movedim(-1, 0).contiguous().log_softmax(0)  # (C, M, B): classes first are quicker

    def loss(log_slope: Tensor) -> Tensor:  # (S, M) -> (S, M)
        told = (log_slope.exp()[..., None] * scores[:, None]).log_softmax(0)  # (C, S, M, B)
        own = told.gather(0, target.expand(told.shape[1:])[None])[0]
        return log_slope**2 / 2 * weight.amax(-1) - (own * weight).sum(-1)

    coarse, fine = COARSE.to(scores.device), FINE.to(scores.device)
    best = coarse[loss(coarse[:, None].expand(-1, scores.shape[1])).argmin(0)]  # (M,)
    return loss(best + fine[:, None]).amin(0)
