"""The check at the doors of the tensor rooms: no NaN and no infinity passes, nor what would become one inside."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse.errors import NonFinite

LIMIT = 1e15  # of numbers that enter a layer: their squares, which gradients hold, stay far below the 3e38 of float32
STANDARDISE = "Mask or fill in what is missing, and standardise what is large."


def check_finite(name: str, x: Tensor, limit: float | None = None, remedy: str = STANDARDISE) -> Tensor:
    """Return `x` if no number in it is NaN, infinite, or beyond `limit`, else raise `NonFinite` that counts those."""
    if not x.is_floating_point() or not x.numel():
        return x
    limit = torch.finfo(x.dtype).max if limit is None else limit
    low, high = x.detach().aminmax()  # one pass; a NaN goes through to both
    if bool((low >= -limit) & (high <= limit)):
        return x
    bad = int((~(x.detach().abs() <= limit)).sum())
    raise NonFinite(f"{name} must be finite and at most {limit:.3g}; {bad} of {x.numel()} numbers are not. {remedy}")
