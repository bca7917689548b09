"""From scores to weights that sum to 1 over the last dimension: softmax and sparsemax, with a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.kernels.finite import LIMIT, check_finite

OUTSIDE = -2.0  # below the largest entry by more than 1, which no support reaches


def softmax_where(z: Tensor, mask: Tensor) -> Tensor:
    """Return the softmax over the last dimension where `mask` (broadcast to z), a row of zeros where it allows nothing.

    Nothing is checked: z is finite where the mask is True.
    """
    lowest = torch.finfo(z.dtype).min  # not -inf: a row of those is 0 / 0
    return z.masked_fill(~mask, lowest).softmax(-1).masked_fill(~mask, 0.0)


def masked_softmax(z: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return ``exp(z_i) / sum_j exp(z_j)`` over the entries that `mask` allows.

    Parameters
    ----------
    z : tensor (..., n)
    mask : bool tensor (..., n) or None
        Where it is False the weight is 0, and so is a gradient. A row without True gives zeros. None allows all.

    Raises
    ------
    NonFinite, ShapeMismatch
    """
    if mask is None:
        return check_finite("Scores", z, LIMIT).softmax(-1)
    return softmax_where(_allowed(z, mask), mask)


def sparsemax(z: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the point of the simplex nearest to z, ``max(z - tau, 0)``, over the entries that `mask` allows.

    With z sorted downwards, ``k = max {j : 1 + j z_(j) > z_(1) + .. + z_(j)}`` and
    ``tau = (z_(1) + .. + z_(k) - 1) / k``. The gradient is exact: ``S (I - 1 1^T / k) S`` with S the support.

    Parameters
    ----------
    z : tensor (..., n)
    mask : bool tensor (..., n) or None
        Where it is False the weight is 0, and so is a gradient. A row without True gives zeros. None allows all.

    Raises
    ------
    NonFinite, ShapeMismatch

    References
    ----------
    Martins and Astudillo (2016). From softmax to sparsemax: a sparse model of attention and multi-label
    classification. ICML.
    """
    z = check_finite("Scores", z, LIMIT) if mask is None else _allowed(z, mask)
    support = _support(z.detach(), mask)
    inside = torch.where(support, z, 0.0)
    size = support.sum(-1, keepdim=True).clamp(min=1)
    top = inside.detach().sum(-1, keepdim=True) / size  # near the largest: its subtraction keeps the digits of tau
    shifted = torch.where(support, z - top, 0.0)
    tau = (shifted.sum(-1, keepdim=True) - 1) / size
    return torch.where(support, shifted - tau, 0.0).relu()


def _allowed(z: Tensor, mask: Tensor) -> Tensor:
    check_shape("mask", mask, tuple(z.shape))
    return check_finite("Scores", torch.where(mask, z, 0.0), LIMIT)


def _support(z: Tensor, mask: Tensor | None) -> Tensor:
    """Return where the projection of z is positive, bool (..., n)."""
    z = z if mask is None else z.masked_fill(~mask, -torch.inf)
    largest = z.amax(-1, keepdim=True)
    z = (z - torch.where(largest.isfinite(), largest, 0.0)).clamp(min=OUTSIDE)
    ordered = z.sort(-1, descending=True).values
    rank = torch.arange(1, z.shape[-1] + 1, device=z.device)
    size = (1 + rank * ordered > ordered.cumsum(-1)).sum(-1, keepdim=True)
    smallest = ordered.gather(-1, (size - 1).clamp(min=0))
    support = z >= smallest
    return support if mask is None else support & mask
