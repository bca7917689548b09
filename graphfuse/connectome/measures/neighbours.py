"""Measures of a region's own edges: how many, and how strong."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from graphfuse.connectome.measures.weights import as_weights


def degree(weights: Tensor | np.ndarray, nodes=None) -> Tensor:
    """Count the edges of each region: ``k_i = #{j : w_ij > 0}``, as networkx's ``degree``.

    Parameters
    ----------
    weights : array (B, R, R)
        Symmetric, 0 or above; the diagonal is never looked at.
    nodes : array (B, R) bool or None
        Usable regions; the others are 0 and influence nothing.

    Returns
    -------
    Tensor (B, R) float64

    Raises
    ------
    NegativeWeights, NonFinite, ShapeMismatch
    """
    return (as_weights(weights, nodes)[0] > 0).double().sum(2)


def strength(weights: Tensor | np.ndarray, nodes=None) -> Tensor:
    """Sum the weights of each region's edges: ``s_i = sum_j w_ij``, as networkx's ``degree(weight="weight")``.

    Arguments, result and errors are those of `degree`; in the unit of the weights.
    """
    return as_weights(weights, nodes)[0].sum(2)
