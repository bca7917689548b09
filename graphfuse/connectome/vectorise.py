"""Symmetric matrices as vectors of edges, and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.errors import ShapeMismatch
from graphfuse.kernels.finite import check_finite

LARGEST = torch.finfo(torch.float32).max


def upper_triangle(matrices: Tensor | np.ndarray, diagonal: bool = False, scale: float | None = None) -> Tensor:
    """Entries above the diagonal, row by row: ``(0,1), (0,2), ..., (R-2,R-1)``.

    With `diagonal`, the entries on it come too, in their rows, times `scale`; by default 1/sqrt(2), as nilearn's
    ``sym_matrix_to_vec`` does, so that ``sqrt(2) |vector| = |matrix|``. (nilearn goes along the lower triangle:
    the same values in another order.)

    Parameters
    ----------
    matrices : array (B, R, R)
        Symmetric; only the upper triangle is read.
    diagonal : bool
        Whether the diagonal is part of the vector.
    scale : float or None
        Factor on the diagonal, between 1e-3 and 1e3; None is 1/sqrt(2).

    Returns
    -------
    Tensor (B, P)
        ``P = R (R - 1) / 2``, or ``R (R + 1) / 2`` with the diagonal.

    Raises
    ------
    NonFinite, ShapeMismatch, InvalidOption
    """
    matrices = check_finite("matrices", torch.as_tensor(matrices))
    check_shape("matrices", matrices, (None, *matrices.shape[-1:], *matrices.shape[-1:]))
    row, column = _positions(matrices.shape[-1], diagonal, matrices.device)
    vectors = matrices[:, row, column]  # (B, P)
    if not diagonal:
        return vectors
    return check_finite("scale * matrices", torch.where(row == column, vectors * _factor(scale), vectors))


def from_upper_triangle(
    vectors: Tensor | np.ndarray, n_regions: int, fill: float = 0.0, scale: float | None = None
) -> Tensor:
    """Symmetric matrices (B, R, R) from their vectors: the inverse of `upper_triangle`.

    Parameters
    ----------
    vectors : array (B, P)
        P tells whether the diagonal is part of them.
    n_regions : int
        R.
    fill : float
        The diagonal where it is not part of the vectors (1 for correlations).
    scale : float or None
        Factor on the diagonal that `upper_triangle` was given.

    Raises
    ------
    NonFinite, InvalidOption
    ShapeMismatch
        P is neither ``R (R - 1) / 2`` nor ``R (R + 1) / 2``.
    """
    vectors = check_finite("vectors", torch.as_tensor(vectors))
    check_shape("vectors", vectors, (None, None))
    check_range("fill", fill, -LARGEST, LARGEST)
    without, with_diagonal = n_regions * (n_regions - 1) // 2, n_regions * (n_regions + 1) // 2
    if vectors.shape[1] not in (without, with_diagonal):
        raise ShapeMismatch(
            f"vectors of {n_regions} regions must have {without} columns, or {with_diagonal} with the diagonal; "
            f"got {vectors.shape[1]}."
        )
    diagonal = vectors.shape[1] == with_diagonal
    row, column = _positions(n_regions, diagonal, vectors.device)
    if diagonal:
        vectors = torch.where(row == column, vectors / _factor(scale), vectors)
        check_finite("what stands on the diagonal, over scale,", vectors)
    matrices = vectors.new_full((len(vectors), n_regions, n_regions), fill)
    matrices[:, row, column] = vectors
    matrices[:, column, row] = vectors
    return matrices


def edge_names(names: Sequence[str], diagonal: bool = False) -> pd.MultiIndex:
    """Pairs of region names (region_a, region_b), in the order of `upper_triangle`.

    Parameters
    ----------
    names : sequence of str (R,)
        Region names.
    diagonal : bool
        Whether the vectors hold the diagonal.
    """
    row, column = _positions(len(names), diagonal, "cpu")
    names = np.asarray(names, dtype=object)
    return pd.MultiIndex.from_arrays([names[row.numpy()], names[column.numpy()]], names=["region_a", "region_b"])


def _positions(n_regions: int, diagonal: bool, device) -> tuple[Tensor, Tensor]:
    row, column = torch.triu_indices(n_regions, n_regions, 0 if diagonal else 1, device=device)
    return row, column


def _factor(scale: float | None) -> float:
    return 1 / sqrt(2) if scale is None else check_range("scale", scale, 1e-3, 1e3)
