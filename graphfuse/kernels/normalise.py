"""Degrees to normalised operators: symmetric (Kipf) and row (random walk), on any `Adjacency`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from graphfuse.errors import InvalidOption, NegativeWeights

if TYPE_CHECKING:
    from graphfuse.kernels.adjacency import Adjacency

SMALLEST = 1e-30  # a node of a smaller degree counts as isolated


def symmetric(adjacency: Adjacency, row_degree: Tensor, col_degree: Tensor) -> Adjacency:
    """Return ``D_row^-1/2 A D_col^-1/2``; degrees (G, R) and (G, S); a zero degree gives a zero row."""
    return adjacency.scaled(_safe_power(row_degree, -0.5), _safe_power(col_degree, -0.5))


def by_row(adjacency: Adjacency, row_degree: Tensor, col_degree: Tensor) -> Adjacency:
    """Return ``D_row^-1 A``; `col_degree` is not used."""
    return adjacency.scaled(_safe_power(row_degree, -1.0), None)


def unchanged(adjacency: Adjacency, row_degree: Tensor, col_degree: Tensor) -> Adjacency:
    """Return A itself."""
    return adjacency


NORMALISATIONS = {"sym": symmetric, "row": by_row, "none": unchanged}


def check_non_negative(adjacency: Adjacency) -> None:
    """Raise `NegativeWeights` where ``D^-1/2`` might not exist."""
    negative = int((adjacency.weight.detach() < 0).sum())
    if negative:
        raise NegativeWeights(
            f"Normalisation needs edge weights >= 0; {negative} are negative. "
            "Build the graph with signed='absolute' or 'positive'."
        )


def degrees(adjacency: Adjacency, kind: str, row_degree: Tensor | None, col_degree: Tensor | None):
    """Return the degrees of targets (G, R) and sources (G, S): those given, else the row sums of a square graph."""
    row_degree = adjacency.degree() if row_degree is None else row_degree
    if col_degree is None and kind == "sym":
        _, targets, sources = adjacency.shape
        if targets != sources:
            raise InvalidOption(
                f"normalised('sym') of a rectangular adjacency ({targets} x {sources}) needs col_degree=, the degrees "
                "of its sources; give them, or put new nodes beside the fitted ones with attach()."
            )
        col_degree = row_degree
    return row_degree, col_degree


def _safe_power(degree: Tensor, power: float) -> Tensor:
    """Return ``degree ** power``, and 0 where the degree is (nearly) 0, in value and in gradient."""
    wide = degree.double()  # in float32 the gradient of a small degree would overflow on its way
    positive = wide > SMALLEST
    return torch.where(positive, torch.where(positive, wide, 1.0) ** power, 0.0).to(degree.dtype)
