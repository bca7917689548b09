"""Standardised series: columns of mean 0 and norm 1 over the frames that count, so that ``Z^T Z`` is correlation."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from graphfuse.errors import ShortSeries
from graphfuse.kernels.finite import check_finite

CHUNK_NUMBERS = 2**22  # numbers of series that are standardised at once: overlapping windows are never all copied


def standardised(series: Tensor, mask: Tensor | None) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Yield graphs b, their z (b, T, R) and the norms (b, 1, R) that it was divided by, a chunk at a time."""
    size = max(1, CHUNK_NUMBERS // max(series.shape[1] * series.shape[2], 1))
    for begin in range(0, series.shape[0], size):
        b = slice(begin, min(begin + size, series.shape[0]))
        yield b, *_standardise(series[b], None if mask is None else mask[b])


def _standardise(series: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return z and its norms; exactly 0 for a constant column, and no overflow for extreme units."""
    frames = series.new_full((len(series), 1, 1), series.shape[1]) if mask is None else mask.sum(1)[:, None, None]
    if bool((frames < 2).any()):
        raise ShortSeries(f"A correlation needs at least 2 frames that count; got {int(frames.min())}.")
    first = series[:, :1]
    if mask is not None:
        first = series.gather(1, mask.int().argmax(1)[:, None, None].expand_as(first))
        series = torch.where(mask[..., None], series, first)
    z = check_finite("series", series, torch.finfo(series.dtype).max / 4) - first  # a difference does not overflow
    peak = z.abs().amax(1, keepdim=True)
    z /= torch.where(peak > 0, peak, 1)
    z -= z.sum(1, keepdim=True) / frames
    if mask is not None:
        z *= mask[..., None]
    norm = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    z /= torch.where(norm > 0, norm, 1)
    return z.contiguous(), norm * peak


def standardise_backward(grad_z: Tensor, z: Tensor, norm: Tensor, mask: Tensor | None) -> Tensor:
    """Return the gradient to the series: what of grad_z is neither constant nor along z, over the norm."""
    frames = grad_z.shape[1]
    if mask is not None:
        grad_z, frames = grad_z * mask[..., None], mask.sum(1)[:, None, None]
    grad = grad_z - grad_z.sum(1, keepdim=True) / frames - z * (z * grad_z).sum(1, keepdim=True)
    grad = torch.where(norm > 0, grad / torch.where(norm > 0, norm, 1), 0)
    return grad if mask is None else grad * mask[..., None]
