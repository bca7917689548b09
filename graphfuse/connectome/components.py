"""Components: the connected pieces that edges form, and how large each is."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from graphfuse._check import check_shape


def edge_components(row: np.ndarray, column: np.ndarray, n_regions: int) -> np.ndarray:
    """Number the connected piece that each edge belongs to, from 0 on.

    Parameters
    ----------
    row, column : array (E,) int
        The ends of the edges, 0 .. R - 1.
    n_regions : int
        R.

    Returns
    -------
    array (E,) int

    Raises
    ------
    ShapeMismatch
    """
    check_shape("column", column, row.shape)
    graph = coo_array((np.ones(len(row)), (row, column)), shape=(n_regions, n_regions))
    of_region = connected_components(graph, directed=False)[1]
    return np.unique(of_region[row], return_inverse=True)[1]


def component_sizes(row: np.ndarray, column: np.ndarray, n_regions: int, weight: np.ndarray) -> np.ndarray:
    """Sum the weights (E,) of the edges of each piece, in the order of `edge_components`."""
    return np.bincount(edge_components(row, column, n_regions), weights=weight)
