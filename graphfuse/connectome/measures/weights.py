"""The door of the graph measures: weights that are finite, symmetric and not negative, without their diagonal."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import NegativeWeights, ShapeMismatch
from graphfuse.kernels.finite import LIMIT, check_finite

ROUNDING = 1e-4  # of the largest weight of a graph: a correlation in float32 is symmetric to far less


def as_weights(weights: Tensor | np.ndarray, nodes: Tensor | np.ndarray | None = None) -> tuple[Tensor, Tensor]:
    """Return checked weights in float64, 0 on the diagonal and at unusable regions, and the mask of usable regions.

    Parameters
    ----------
    weights : array (B, R, R)
        Symmetric, 0 or above; 0 is no edge. The diagonal is never looked at.
    nodes : array (B, R) bool or None
        Usable regions; None = all. Nothing that stands at another region passes.

    Returns
    -------
    weights : Tensor (B, R, R) float64
    nodes : Tensor (B, R) bool

    Raises
    ------
    NegativeWeights, NonFinite, ShapeMismatch
    """
    weights = check_shape("weights", torch.as_tensor(weights).detach(), (None, None, None))
    check_shape("weights", weights, (None, weights.shape[2], weights.shape[2]))
    nodes = _mask(nodes, weights)
    others = ~torch.eye(weights.shape[1], dtype=torch.bool, device=weights.device)
    weights = torch.where(nodes[:, :, None] & nodes[:, None, :] & others, weights, 0).double()
    check_finite("weights", weights, LIMIT, "Mark the regions without data as False in nodes.")
    _check_signs_and_symmetry(weights)
    return weights, nodes


def _mask(nodes, weights: Tensor) -> Tensor:
    if nodes is None:
        return torch.ones(weights.shape[:2], dtype=torch.bool, device=weights.device)
    return check_shape("nodes", torch.as_tensor(nodes, device=weights.device).bool(), tuple(weights.shape[:2]))


def _check_signs_and_symmetry(weights: Tensor) -> None:
    if not weights.numel():
        return
    if weights.min() < 0:
        raise NegativeWeights(
            f"Graph measures need weights of 0 or above; got {float(weights.min()):.3g}. Sparsify with "
            "signed='absolute' or 'positive'."
        )
    gap, largest = (weights - weights.mT).abs().amax((1, 2)), weights.amax((1, 2))
    if (gap > ROUNDING * largest).any():
        raise ShapeMismatch("Graph measures need symmetric weights; one graph is not. Pass (W + W.mT) / 2.")
