"""Degrees to normalised operators: symmetric (Kipf) and row (random walk), on the `Storage` of any adjacency."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse.errors import InvalidOption, NegativeWeights
from graphfuse.kernels.edges import looped
from graphfuse.kernels.finite import check_finite
from graphfuse.kernels.spmm import spmm
from graphfuse.kernels.storage import Storage

SMALLEST = 1e-30  # a node of a smaller degree counts as isolated


def symmetric(storage: Storage, row_degree: Tensor, col_degree: Tensor) -> Storage:
    """Return ``D_row^-1/2 A D_col^-1/2``; degrees (G, R) and (G, S); a zero degree gives a zero row."""
    return scaled(storage, _safe_power(row_degree, -0.5), _safe_power(col_degree, -0.5))


def by_row(storage: Storage, row_degree: Tensor, col_degree: Tensor) -> Storage:
    """Return ``D_row^-1 A``; `col_degree` is not used."""
    return scaled(storage, _safe_power(row_degree, -1.0), None)


def unchanged(storage: Storage, row_degree: Tensor, col_degree: Tensor) -> Storage:
    """Return A itself."""
    return storage


NORMALISATIONS = {"sym": symmetric, "row": by_row, "none": unchanged}


def scaled(storage: Storage, row: Tensor, col: Tensor | None) -> Storage:
    """Return ``diag(row) A diag(col)``; row (G, R), col (G, S) or None for ones."""
    weight, pattern = storage.weight, storage.pattern
    if pattern is None:
        row, col = row[:, :, None], None if col is None else col[:, None, :]
    else:
        row, col = row.flatten()[pattern.row], None if col is None else col.flatten()[pattern.col]
    # The factors first: their product is the same from either end, so a symmetric graph stays so to the last bit.
    return Storage(weight * (row if col is None else row * col), pattern)


def check_non_negative(weight: Tensor) -> None:
    """Raise `NegativeWeights` where ``D^-1/2`` might not exist."""
    negative = int((weight.detach() < 0).sum())
    if negative:
        raise NegativeWeights(
            f"Normalisation needs edge weights >= 0; {negative} are negative. "
            "Build the graph with signed='absolute' or 'positive'."
        )


def row_sums(storage: Storage) -> Tensor:
    """Return the sum of the weights of each row, (G, R)."""
    graphs, targets, sources = storage.shape
    if storage.pattern is None:
        return storage.weight.sum(2)
    ones = storage.weight.new_ones(graphs * sources, 1)
    return check_finite("The degrees", spmm(storage.weight, ones, storage.pattern).view(graphs, targets))


def degree(storage: Storage) -> Tensor:
    """Return the row sums (G, R), and what lies outside."""
    return row_sums(storage) if storage.outside is None else row_sums(storage) + storage.outside


def normalised(storage: Storage, kind: str, self_loops: bool, row_degree=None, col_degree=None) -> Storage:
    """Return ``D^-1/2 (A + I) D^-1/2``, ``D^-1 (A + I)`` or ``A + I``; degrees are those given, else those of A + I."""
    storage = looped(storage) if self_loops else storage
    if kind == "none":
        return storage
    check_non_negative(storage.weight)
    row_degree = degree(storage) if row_degree is None else row_degree
    if kind == "sym" and col_degree is None:
        _check_square(storage.shape)
        col_degree = row_degree
    weight, pattern, _ = NORMALISATIONS[kind](storage, row_degree, col_degree)
    return Storage(check_finite("Normalised edge weights", weight), pattern)


def _check_square(shape: tuple[int, int, int]) -> None:
    if shape[1] != shape[2]:
        raise InvalidOption(
            f"normalised('sym') of a rectangular adjacency ({shape[1]} x {shape[2]}) needs col_degree=, the degrees "
            "of its sources; give them, or put new nodes beside the fitted ones with attach()."
        )


def _safe_power(degree: Tensor, power: float) -> Tensor:
    """Return ``degree ** power``, and 0 where the degree is (nearly) 0, in value and in gradient."""
    wide = degree.double()  # in float32 the gradient of a small degree would overflow on its way
    positive = wide > SMALLEST
    return torch.where(positive, torch.where(positive, wide, 1.0) ** power, 0.0).to(degree.dtype)
