"""Sparsifiers: dense connectomes to the few edges that a graph keeps."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import NegativeWeights, NonFinite, ShapeMismatch

CHUNK_NUMBERS = 2**20  # entries of the matrices that are worked on at once: what a core's cache holds


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
        return per_chunk(matrices, nodes, self.signed, self._keep)

    def _keep(self, weights: Tensor, pairs: Tensor) -> Tensor:
        return strongest(weights.abs(), pairs, edge_counts(self.density, pairs))


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
        return per_chunk(matrices, nodes, self.signed, lambda weights, pairs: (weights.abs() >= self.value) & pairs)


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
        return per_chunk(matrices, nodes, self.signed, self._keep)

    def _keep(self, weights: Tensor, pairs: Tensor) -> Tensor:
        strength = torch.where(pairs, weights.abs(), -1)
        k = min(self.k, strength.shape[2])
        chosen = _first_largest(strength, torch.full(strength.shape[:2], k, device=strength.device)) & pairs
        return chosen | chosen.mT


def edge_counts(density: float, pairs: Tensor) -> Tensor:
    """How many edges ``ceil(density n (n - 1) / 2)`` are, (B,), where `pairs` (B, R, R) bool marks the n (n - 1)."""
    # Less a hair: 0.1 * 30 is 3.0000000000000004, and 3 edges are meant.
    counts = [ceil(density * pair - 1e-9) for pair in (pairs.sum((1, 2)) // 2).tolist()]
    return torch.tensor(counts, device=pairs.device)


def strongest(strength: Tensor, pairs: Tensor, counts: Tensor) -> Tensor:
    """Mark the ``counts[b]`` strongest edges of each graph in both triangles; of equals the first by position.

    Parameters
    ----------
    strength : Tensor (B, R, R)
        Symmetric, 0 or above.
    pairs : Tensor (B, R, R) bool
        The edges to choose from, symmetric and off the diagonal.
    counts : Tensor (B,) int
        At most as many as there are.
    """
    upper = torch.where(pairs.triu(1), strength, -1).flatten(1)  # (B, R R), so that position tells the row first
    chosen = _first_largest(upper, counts).view_as(pairs)
    return chosen | chosen.mT


def _first_largest(values: Tensor, counts: Tensor) -> Tensor:
    """Mark the ``counts`` (...) largest of values (..., P), the earlier of two equals first: as a stable sort would."""
    least = _largest(values, counts)[..., None]
    chosen = (values >= least) & (counts > 0)[..., None]
    surplus = chosen.sum(-1) - counts
    if surplus.any():  # equals at the threshold, of which only the first are wanted
        equal = values == least
        chosen &= ~equal | (equal.cumsum(-1) <= (equal.sum(-1) - surplus)[..., None])
    return chosen


def _largest(values: Tensor, counts: Tensor) -> Tensor:
    """The ``counts``-th largest of values (..., P), (...); 0 where the count is 0."""
    result = values.new_zeros(counts.shape)
    for count in counts.unique().tolist():
        if count > 0:
            result[counts == count] = _partition(values[counts == count], count)
    return result


def _partition(values: Tensor, count: int) -> Tensor:
    """The `count`-th largest of each row of values (n, P): numpy's selection, which is vectorised, where it can be."""
    place = values.shape[1] - count
    if values.device.type != "cpu" or values.dtype == torch.bfloat16:  # numpy knows no bfloat16
        return values.kthvalue(place + 1, dim=1).values
    return torch.from_numpy(np.partition(values.numpy(), place, axis=1)[:, place])


def check_symmetric(matrices: Tensor) -> None:
    """Raise `ShapeMismatch` unless each of the matrices (B, R, R) equals its transpose to within rounding."""
    if torch.equal(matrices, matrices.mT):  # most are, to the bit
        return
    gap = (matrices / 2 - matrices.mT / 2).abs().flatten(1)  # halves, so that nothing overflows
    if (gap.amax(1) > 0.5e-4 * matrices.abs().flatten(1).amax(1)).any():
        raise ShapeMismatch(
            "A connectivity matrix must be symmetric; one is not. Say symmetrise = true in the manifest, or pass "
            "(W + W.mT) / 2."
        )


def per_chunk(matrices, nodes, signed: str, keep) -> Tensor:
    """Zero what `keep`(weights, pairs) does not mark; `pairs` is False on the diagonal and at unusable nodes."""
    matrices = torch.as_tensor(matrices)
    policy = SIGNED[check_option("signed", signed, SIGNED)]
    nodes = _check(matrices, nodes)
    if not matrices.numel():
        return matrices
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
        parts.append(torch.where(keep(weights.detach(), pairs), weights, 0))
    return torch.cat(parts)


def _check(matrices: Tensor, nodes) -> Tensor:
    check_shape("matrices", matrices, (None, None, None))
    if matrices.shape[1] != matrices.shape[2]:
        raise ShapeMismatch(f"matrices must have shape (B, R, R); got {tuple(matrices.shape)}.")
    if nodes is None:
        return torch.ones(matrices.shape[:2], dtype=torch.bool, device=matrices.device)
    return check_shape("nodes", torch.as_tensor(nodes, device=matrices.device).bool(), tuple(matrices.shape[:2]))
