"""Cross diffusion: similarities of several modalities exchanged along each other's nearest neighbours.

Tensors are (..., M, N, N), M modalities over the same N nodes; `pairs` (..., M, N, N) bool marks what each measured.
All of it is differentiable; which neighbours are the nearest is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Norm(NamedTuple):
    """How similarities are normalised.

    Parameters
    ----------
    start, again, end : callable
        (..., N, N) to (..., N, N), at the start, after each step (with alpha) and at the end.
    own : float
        Share of a node's similarity with itself in what its row is divided by at the start.
    row : callable
        Rows (M, N) of nodes that are not in the network, and alpha, to what `end` makes of a row off the diagonal.
    """

    start: Callable[[Tensor], Tensor]
    again: Callable[[Tensor, float], Tensor]
    end: Callable[[Tensor], Tensor]
    own: float
    row: Callable[[Tensor, float], Tensor]


def cross_diffused(
    weight: Tensor, present: Tensor, neighbours: int, steps: int, norm: Norm, alpha: float
) -> tuple[Tensor, Tensor]:
    """Return the status (..., M, N, N) after `steps` steps, and the local kernels S (..., M, N, N).

    Parameters
    ----------
    weight : Tensor (..., M, N, N)
        Similarities >= 0; those of missing nodes are never read.
    present : bool Tensor (..., M, N)
    neighbours, steps : int
    norm : Norm
        One of `NORMS`.
    alpha : float
        What "b0" adds to the diagonal after each step.
    """
    pairs = pairs_of(present)
    status = torch.where(pairs, norm.start(torch.where(pairs, weight, 0.0)), 0.0)
    local = local_kernel(status, neighbours)
    for _ in range(steps):
        status = torch.where(pairs, norm.again(local @ others(status, pairs) @ local.mT, alpha), 0.0)
    return status, local


def local_kernel(status: Tensor, neighbours: int) -> Tensor:
    """Return S: the `neighbours` largest of each row, the earlier of two equals first, and each row divided by its sum.

    A node is as a rule its own nearest neighbour and counts as one of them, as in the authors' code.
    """
    chosen = torch.argsort(status.detach(), dim=-1, descending=True, stable=True)[..., :neighbours]
    kept = torch.zeros_like(status).scatter(-1, chosen, status.gather(-1, chosen))
    return kept / positive(kept.sum(-1, keepdim=True))


def others(status: Tensor, pairs: Tensor) -> Tensor:
    """Return, for each modality, the mean status of the others that know a pair; its own where none of them does."""
    everyone, known = status.sum(-3, keepdim=True), pairs.sum(-3, keepdim=True)
    count = known - pairs.long()
    return torch.where(count > 0, (everyone - status) / count.clamp(min=1), status)


def average(status: Tensor, pairs: Tensor) -> Tensor:
    """Return the mean status (..., N, N) over the modalities that know a pair, 0 where none does."""
    return status.sum(-3) / pairs.sum(-3).clamp(min=1)


def pairs_of(present: Tensor) -> Tensor:
    """Return which pairs (..., N, N) have both nodes of `present` (..., N)."""
    return present[..., :, None] & present[..., None, :]


def positive(total: Tensor) -> Tensor:
    """Sums that may be divided by: 1 for the empty ones."""
    return torch.where(total > 0, total, 1.0)


def _half(weight: Tensor) -> Tensor:
    """``w_ij / (2 sum_{k != i} w_ik)`` off the diagonal and 1/2 on it, symmetrised."""
    eye = torch.eye(weight.shape[-1], dtype=weight.dtype, device=weight.device)
    bare = weight * (1 - eye)
    return _symmetric(bare / (2 * positive(bare.sum(-1, keepdim=True)))) + eye / 2


def _by_row(weight: Tensor) -> Tensor:
    """Rows divided by their sums, symmetrised."""
    return _symmetric(weight / positive(weight.sum(-1, keepdim=True)))


def _half_again(weight: Tensor, alpha: float) -> Tensor:
    return _half(weight)


def _plus_self(weight: Tensor, alpha: float) -> Tensor:
    eye = torch.eye(weight.shape[-1], dtype=weight.dtype, device=weight.device)
    return _symmetric(weight + alpha * eye)


def _by_row_and_self(weight: Tensor) -> Tensor:
    return _by_row(weight) + torch.eye(weight.shape[-1], dtype=weight.dtype, device=weight.device) / 2


def _half_row(row: Tensor, alpha: float) -> Tensor:
    return row / (2 * positive(row.sum(-1, keepdim=True)))


def _row_and_self(row: Tensor, alpha: float) -> Tensor:
    return row / positive(row.sum(-1, keepdim=True) + alpha)


def _symmetric(weight: Tensor) -> Tensor:
    return (weight + weight.mT) / 2


NORMS = {
    "b0": Norm(_by_row, _plus_self, _by_row_and_self, 1.0, _row_and_self),
    "half": Norm(_half, _half_again, _half, 0.0, _half_row),
}
