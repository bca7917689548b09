"""Cosines and squared distances between all pairs of rows, (G, R, D) -> (G, R, R), with gradients that stay finite."""

from __future__ import annotations

import torch
from torch import Tensor

SHORTEST = 1e-12  # a shorter row counts as zero: it has no direction
INSIDE = 1.01  # how far inside the rim of the ball a long row is put


def unit_rows(x: Tensor) -> Tensor:
    """Return the rows scaled to length 1; a row of zeros stays so, in value and in gradient."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    long = length > SHORTEST
    return torch.where(long, x / torch.where(long, length, 1.0), 0.0)


def cosines(x: Tensor) -> Tensor:
    """Return ``cos(x_i, x_j)``; a row of zeros has cosine 0 with everything."""
    x = unit_rows(x)
    return x @ x.mT


def squared_euclidean(x: Tensor) -> Tensor:
    """Return ``||x_i - x_j||^2``, from the differences themselves, so that near rows lose no digits."""
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square()


def squared_poincare(x: Tensor) -> Tensor:
    """Return the squared distance in the Poincare ball; rows longer than 1 are brought to the length 1 / 1.01.

    ``d = arcosh(1 + 2 u) = 2 arsinh(sqrt(u))``, ``u = ||x_i - x_j||^2 / ((1 - ||x_i||^2) (1 - ||x_j||^2))``; every row
    is first divided by ``1.01 max(||x||, 1)``.
    """
    x = x / (INSIDE * torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1.0))
    room = (1.0 - x.square().sum(-1)).sqrt()  # (G, R)
    apart = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    return 4.0 * torch.asinh(apart / (room[..., :, None] * room[..., None, :])).square()


DISTANCES = {"euclidean": squared_euclidean, "poincare": squared_poincare}
