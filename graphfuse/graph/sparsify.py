"""Sparsifiers: dense connectomes to the few edges that a graph keeps."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.connectome.vectorise import from_upper_triangle, upper_triangle
from graphfuse.errors import NegativeWeights, NonFinite, ShapeMismatch

CHUNK_NUMBERS = 2**23  # entries of the matrices that are ranked at once


def _refuse_negatives(weights: Tensor) -> Tensor:
    if (weights < 0).any():
        raise NegativeWeights("Weights must not be negative; choose signed='absolute', 'positive' or 'keep'.")
    return weights


# What becomes of negative weights; an edge is ranked by the absolute value of what it becomes.
SIGNED = {
    "absolute": torch.abs,
    "positive": torch.relu,
    "keep": lambda weights: weights,
    "error": _refuse_negatives,
}


class TopDensity(BaseEstimator):
    """Keep the strongest edges of each subject: ``ceil(density n (n - 1) / 2)`` of them, n his usable nodes.

    Equal weights are kept in the order of their position, so the same matrix always gives the same graph. An edge of
    weight 0 is none: a subject with fewer other weights than that has fewer edges.

    Parameters
    ----------
    density : float
        Share of the possible edges, in (0, 1].
    signed : str
        A key of `SIGNED`: ``"absolute"`` takes ``|w|``, ``"positive"`` drops negative weights before ranking,
        ``"keep"`` ranks by ``|w|`` and keeps the sign, ``"error"`` raises `NegativeWeights`.
    """

    uses_y, scope = False, "own"

    def __init__(self, density: float = 0.1, signed: str = "absolute"):
        self.density = density
        self.signed = signed

    def __call__(self, matrices: Tensor | np.ndarray, nodes=None) -> Tensor:
        """Sparsify `matrices` (B, R, R), symmetric, over usable `nodes` (B, R) bool."""
        check_range("density", self.density, 0, 1, open_low=True)
        return _per_chunk(matrices, nodes, self.signed, self._keep)

    def _keep(self, weights: Tensor, pairs: Tensor) -> Tensor:
        strength = upper_triangle(torch.where(pairs, weights.abs(), -1))  # (B, P)
        # Less a hair: 0.1 * 30 is 3.0000000000000004, and 3 edges are meant.
        counts = [ceil(self.density * n - 1e-9) for n in (pairs.sum((1, 2)) // 2).tolist()]
        order = strength.argsort(dim=1, descending=True, stable=True)
        rank = torch.arange(strength.shape[1], device=strength.device)
        chosen = rank < torch.tensor(counts, device=strength.device)[:, None]
        keep = torch.zeros_like(chosen).scatter_(1, order, chosen)
        return from_upper_triangle(keep, weights.shape[1], fill=False)


class Threshold(BaseEstimator):
    """Keep the edges of strength ``|w| >= value``.

    Parameters
    ----------
    value : float
        Smallest strength that is kept, above 0.
    signed : str
        A key of `SIGNED`, as for `TopDensity`.
    """

    uses_y, scope = False, "own"

    def __init__(self, value: float = 0.3, signed: str = "absolute"):
        self.value = value
        self.signed = signed

    def __call__(self, matrices: Tensor | np.ndarray, nodes=None) -> Tensor:
        """Sparsify `matrices` (B, R, R), symmetric, over usable `nodes` (B, R) bool."""
        check_range("value", self.value, 0, open_low=True)
        return _per_chunk(matrices, nodes, self.signed, lambda weights, pairs: (weights.abs() >= self.value) & pairs)


class KNearest(BaseEstimator):
    """Keep each node's k strongest edges; an edge stays if either end chose it.

    Parameters
    ----------
    k : int
        Edges that a node chooses, from 1 on; all of them where it has fewer.
    signed : str
        A key of `SIGNED`, as for `TopDensity`. Equal weights are chosen in the order of their position.
    """

    uses_y, scope = False, "own"

    def __init__(self, k: int = 10, signed: str = "absolute"):
        self.k = k
        self.signed = signed

    def __call__(self, matrices: Tensor | np.ndarray, nodes=None) -> Tensor:
        """Sparsify `matrices` (B, R, R), symmetric, over usable `nodes` (B, R) bool."""
        check_range("k", self.k, 1)
        return _per_chunk(matrices, nodes, self.signed, self._keep)

    def _keep(self, weights: Tensor, pairs: Tensor) -> Tensor:
        order = torch.where(pairs, weights.abs(), -1).argsort(dim=2, descending=True, stable=True)
        chosen = torch.zeros_like(pairs).scatter_(2, order[:, :, : self.k], True) & pairs
        return chosen | chosen.mT


def check_symmetric(matrices: Tensor) -> None:
    """Raise `ShapeMismatch` unless each of the matrices (B, R, R) equals its transpose to within rounding."""
    gap = (matrices / 2 - matrices.mT / 2).abs().flatten(1)  # halves, so that nothing overflows
    if gap.numel() and (gap.amax(1) > 0.5e-4 * matrices.abs().flatten(1).amax(1)).any():
        raise ShapeMismatch(
            "A connectivity matrix must be symmetric; one is not. Say symmetrise = true in the manifest, or pass "
            "(W + W.mT) / 2."
        )


def _per_chunk(matrices, nodes, signed: str, keep) -> Tensor:
    """Zero what `keep`(weights, pairs) does not mark; `pairs` is False on the diagonal and at unusable nodes."""
    matrices = torch.as_tensor(matrices)
    policy = SIGNED[check_option("signed", signed, SIGNED)]
    nodes = _check(matrices, nodes)
    off_diagonal = ~torch.eye(matrices.shape[1], dtype=torch.bool, device=matrices.device)
    size = max(1, CHUNK_NUMBERS // max(1, matrices.shape[1] ** 2))
    parts = []
    for chunk, usable in zip(matrices.split(size), nodes.split(size), strict=True):
        pairs = usable[:, :, None] & usable[:, None, :] & off_diagonal
        weights = torch.where(pairs, chunk, 0)
        if not weights.isfinite().all():
            raise NonFinite("matrices must be finite at usable nodes; mark the other regions as False in `nodes`.")
        check_symmetric(weights)
        weights = policy(weights.triu(1))
        weights = weights + weights.mT  # the lower triangle may differ from the upper by rounding
        parts.append(torch.where(keep(weights, pairs), weights, 0))
    return torch.cat(parts) if parts else matrices


def _check(matrices: Tensor, nodes) -> Tensor:
    check_shape("matrices", matrices, (None, None, None))
    if matrices.shape[1] != matrices.shape[2]:
        raise ShapeMismatch(f"matrices must have shape (B, R, R); got {tuple(matrices.shape)}.")
    if nodes is None:
        return torch.ones(matrices.shape[:2], dtype=torch.bool, device=matrices.device)
    return check_shape("nodes", torch.as_tensor(nodes, device=matrices.device).bool(), tuple(matrices.shape[:2]))
