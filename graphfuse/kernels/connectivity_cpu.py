"""Connectivity convolution in blocks, plain torch: no more than a few tiles of correlations exist at a time.

The raw functions of `connectivity`, on any device. Tiles (i, j >= i) are made once and used for both triangles, in a
fixed order, so that the same input gives the same bits. Small graphs go through in batches, a tile holding many.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from graphfuse.kernels.connectivity_threshold import ABSOLUTE, KEEP, POSITIVE, THRESHOLDS, of_degree

TILE = 512  # regions: a tile of float32 stays in a core's cache, and products over T ~ 200 frames run at full speed


def forward(z: Tensor, x: Tensor, scale: Tensor, tau: float, kind: str, loop: float) -> Tensor:
    """Return ``y_i = scale_i sum_j W_ij scale_j x_j``, (B, R, D); see `connectivity` for the arguments."""
    u = scale[..., None] * x  # (B, R, D)
    y = loop * u
    buffers = _buffers(z, 2)
    for b, i, j in _tiles(z):
        w = _weights(z, b, i, j, tau, kind, buffers)  # (b, I, J)
        y[b, i].baddbmm_(w, u[b, j])
        if i != j:
            y[b, j].baddbmm_(w.mT, u[b, i])
    return y.mul_(scale[..., None])


def degree(z: Tensor, tau: float, kind: str, loop: float) -> Tensor:
    """Return ``deg_i = sum_{j != i} |W_ij| + loop``, (B, R)."""
    ones = z.new_ones(z.shape[0], z.shape[2])
    return forward(z, ones[..., None], ones, tau, of_degree(kind), loop)[..., 0]


def backward(
    z: Tensor, x: Tensor, scale: Tensor, grad_y: Tensor, degree_grad: Tensor | None, tau: float, kind: str
) -> Tensor:
    """Return ``grad_z_i = sum_j M_ij z_j``, (B, T, R), with M as `connectivity` defines it."""
    g, u = scale[..., None] * grad_y, scale[..., None] * x
    left, right = torch.cat([g, u], 2), torch.cat([u, g], 2)  # (B, R, 2 D)
    grad_z = torch.zeros_like(z)
    buffers = _buffers(z, 3)
    for b, i, j in _tiles(z):
        d = None if degree_grad is None else (degree_grad[b, i, None], degree_grad[b, None, j])
        m = _series_weights(z, left, right, d, b, i, j, tau, kind, buffers)  # (b, I, J)
        grad_z[b, :, i].baddbmm_(z[b, :, j], m.mT)
        if i != j:
            grad_z[b, :, j].baddbmm_(z[b, :, i], m)
    return grad_z


def _tiles(z: Tensor) -> Iterator[tuple[slice, slice, slice]]:
    """Yield graphs b and blocks of regions i and j >= i, always in the same order."""
    graphs, _, regions = z.shape
    blocks = [slice(begin, min(begin + TILE, regions)) for begin in range(0, regions, TILE)]
    for begin in range(0, graphs, _group(regions)):
        b = slice(begin, min(begin + _group(regions), graphs))
        yield from ((b, i, j) for row, i in enumerate(blocks) for j in blocks[row:])


def _group(regions: int) -> int:
    """How many graphs of that many regions fill one tile."""
    return max(1, TILE**2 // max(regions, 1) ** 2)


def _buffers(z: Tensor, count: int) -> list[Tensor]:
    """Make room for `count` tiles once: fresh pages for every tile would cost as much as the products."""
    side = min(TILE, z.shape[2])
    return [z.new_empty(min(_group(z.shape[2]), z.shape[0]) * side * side) for _ in range(count)]


def _product(a: Tensor, b: Tensor, buffer: Tensor) -> Tensor:
    """Return ``a b`` in the buffer's memory."""
    shape = (a.shape[0], a.shape[1], b.shape[2])
    return torch.bmm(a, b, out=buffer[: shape[0] * shape[1] * shape[2]].view(shape))


def _correlations(z: Tensor, b: slice, i: slice, j: slice, buffer: Tensor) -> Tensor:
    """Return the tile of ``Z^T Z`` with zeros on the graph's diagonal, which `loop` stands for."""
    c = _product(z[b, :, i].mT, z[b, :, j], buffer)  # (b, I, J)
    if i == j:
        c.diagonal(dim1=1, dim2=2).zero_()
    return c


def _weights(z, b, i, j, tau: float, kind: str, buffers: list[Tensor]) -> Tensor:
    """Return the tile of ``f(c)``, made in place."""
    soft, sign = THRESHOLDS[kind]
    c = _correlations(z, b, i, j, buffers[0])
    room = c if sign == ABSOLUTE else buffers[1][: c.numel()].view_as(c)  # "keep" needs the signs of c once more
    strength = c if sign == POSITIVE else torch.abs(c, out=room)
    if soft:
        strength.sub_(tau).relu_()
    else:
        torch.threshold_(strength, _below(tau, c.dtype), 0.0)
    return strength.copysign_(c) if sign == KEEP else strength


def _series_weights(z, left, right, d, b, i, j, tau: float, kind: str, buffers: list[Tensor]) -> Tensor:
    """Return the tile of M: the gradient to the correlations, both triangles added."""
    sign = THRESHOLDS[kind].sign
    c = _correlations(z, b, i, j, buffers[0])
    m = _product(left[b, i], right[b, j].mT, buffers[1])
    if d is not None and sign != KEEP:
        m.add_(d[0]).add_(d[1])
    if sign == POSITIVE:
        return _where_kept(m, c, tau)
    direction = torch.sign(c, out=buffers[2][: c.numel()].view_as(c))
    if sign == ABSOLUTE:
        m.mul_(direction)
    elif d is not None:
        m.addcmul_(direction, d[0].expand_as(m)).addcmul_(direction, d[1].expand_as(m))
    return _where_kept(m, c.abs_(), tau)


def _where_kept(m: Tensor, strength: Tensor, tau: float) -> Tensor:
    """Zero `m` in place where the strength is below `tau`, or 0."""
    least = max(_below(tau, m.dtype), 0.0)
    return torch.ops.aten.threshold_backward.grad_input(m, strength, least, grad_input=m)


def _below(tau: float, dtype: torch.dtype) -> float:
    """Return the largest number below `tau`: torch's thresholds keep what is above theirs, ours from `tau` on."""
    return float(torch.nextafter(torch.tensor(tau, dtype=dtype), torch.tensor(-torch.inf, dtype=dtype)))
