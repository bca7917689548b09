"""The contract of every temporal module: ``module(x (B, W, D), present (B, W) or None) -> (B, D')``.

Windows that are absent are no steps: their values change no bit and they are not counted. Somebody without a window
gives zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import ShapeMismatch
from graphfuse.kernels.finite import LIMIT, check_finite


def enter_windows(x: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return x (B, W, D) with zeros at absent windows, and which are present, bool (B, W).

    Raises
    ------
    NonFinite
        A NaN, or a number beyond `LIMIT`, in a window that is present.
    ShapeMismatch
    """
    check_shape("x", x, (None, None, None))
    if not x.shape[1]:
        raise ShapeMismatch(f"x must hold one window at least; got shape {tuple(x.shape)}. Leave out who has none.")
    if present is None:
        return check_finite("x", x, LIMIT), torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    present = check_shape("present", present, tuple(x.shape[:2])).bool()
    x = torch.where(present[..., None], x, 0.0)
    return check_finite("x at present windows", x, LIMIT), present


def present_first(x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return x (B, W, D) with the present windows first, in their order, and which places they take, bool (B, W)."""
    order = (~present).to(torch.uint8).sort(dim=1, stable=True).indices
    return torch.take_along_dim(x, order[..., None], 1), torch.take_along_dim(present, order, 1)
