"""Connectivity convolution without a threshold: every correlation counts, so ``Z^T (Z X)`` needs no matrix of regions.

The raw functions of `connectivity`, on any device, O(T R D). Weights keep their sign here, in degrees too:
absolute ones are not of low rank.
"""

from __future__ import annotations

from torch import Tensor


def forward(z: Tensor, x: Tensor, scale: Tensor, tau: float, kind: str, loop: float) -> Tensor:
    """Return ``y_i = scale_i (sum_{j != i} c_ij scale_j x_j + loop scale_i x_i)``, (B, R, D)."""
    u = scale[..., None] * x  # (B, R, D)
    own = z.square().sum(1)[..., None]  # c_ii: 1, or 0 for an isolated region
    return (z.mT @ (z @ u) + (loop - own) * u) * scale[..., None]


def degree(z: Tensor, tau: float, kind: str, loop: float) -> Tensor:
    """Return ``deg_i = sum_{j != i} c_ij + loop``, (B, R), perhaps negative."""
    ones = z.new_ones(z.shape[0], z.shape[2])
    return forward(z, ones[..., None], ones, tau, kind, loop)[..., 0]


def backward(
    z: Tensor, x: Tensor, scale: Tensor, grad_y: Tensor, degree_grad: Tensor | None, tau: float, kind: str
) -> Tensor:
    """Return ``grad_z_i = sum_{j != i} M_ij z_j``, (B, T, R), ``M = G U^T + U G^T + d 1^T + 1 d^T``."""
    g, u = scale[..., None] * grad_y, scale[..., None] * x
    own = 2 * (g * u).sum(2)  # M_ii, (B, R)
    grad_z = (z @ g) @ u.mT + (z @ u) @ g.mT
    if degree_grad is not None:
        d = degree_grad[:, None]  # (B, 1, R)
        grad_z += z @ d.mT + z.sum(2, keepdim=True) * d
        own += 2 * degree_grad
    return grad_z - own[:, None] * z
