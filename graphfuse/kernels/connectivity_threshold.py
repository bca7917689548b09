"""The thresholds of connectivity convolution: what weight a correlation becomes, and its derivative.

All of them are ``f(c) = g(c) (|c| - soft tau)`` where ``|c| >= tau`` (and ``c > 0`` if "positive"), else 0; ``g`` is 1
or, if the sign is kept, ``sign(c)``. Where a weight is kept its derivative is 1, or ``sign(c)`` if "absolute".
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

KEEP, ABSOLUTE, POSITIVE = 0, 1, 2


class Threshold(NamedTuple):
    """One threshold: the two switches that kernels branch on.

    Parameters
    ----------
    soft : bool
        ``|c| - tau`` instead of ``|c|`` where a weight is kept.
    sign : int
        `KEEP`, `ABSOLUTE` or `POSITIVE`: what becomes of negative correlations.
    """

    soft: bool
    sign: int


THRESHOLDS = {
    "hard-keep": Threshold(False, KEEP),
    "hard-absolute": Threshold(False, ABSOLUTE),
    "hard-positive": Threshold(False, POSITIVE),
    "soft-keep": Threshold(True, KEEP),
    "soft-absolute": Threshold(True, ABSOLUTE),
    "soft-positive": Threshold(True, POSITIVE),
}


def of_degree(kind: str) -> str:
    """Return the threshold whose weights a degree sums: ``|f(c)|``, so that no degree is negative."""
    return kind.replace("keep", "absolute")


def thresholded(c: Tensor, tau: float, kind: str) -> Tensor:
    """Return the weights ``f(c)`` in plain torch, differentiable where ``|c| != tau``."""
    soft, sign = THRESHOLDS[kind]
    strength = c if sign == POSITIVE else c.abs()
    kept = (strength >= tau) & (strength > 0)
    weight = torch.where(kept, strength - tau if soft else strength, 0)
    return weight * c.detach().sign() if sign == KEEP else weight
