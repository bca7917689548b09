"""Clustering: how many of a region's neighbours are neighbours of each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse.connectome.measures.weights import as_weights


def clustering(weights: Tensor | np.ndarray, nodes=None) -> Tensor:
    """Share of the pairs of a region's neighbours that an edge joins: ``c_i = (A^3)_ii / (k_i (k_i - 1))``.

    A is 1 where there is an edge. Equals networkx's ``clustering``; 0 for a region with fewer than two neighbours.

    Arguments, result and errors are those of `degree`; without unit, from 0 to 1.

    References
    ----------
    Watts and Strogatz (1998), Collective dynamics of small-world networks, Nature 393.
    """
    edges = (as_weights(weights, nodes)[0] > 0).double()
    return _closed(edges, edges)


def weighted_clustering(weights: Tensor | np.ndarray, nodes=None) -> Tensor:
    """Clustering by the strength of the triangles: ``c_i = sum_jk (v_ij v_jk v_ki)^(1/3) / (k_i (k_i - 1))``.

    ``v = w / max(w)``, the largest weight of the graph, so that a common factor of all weights changes nothing. Equals
    networkx's ``clustering(weight="weight")``.

    Arguments, result and errors are those of `degree`; without unit, from 0 to 1.

    References
    ----------
    Onnela et al. (2005), Intensity and coherence of motifs in weighted complex networks, Phys Rev E 71.
    """
    weights = as_weights(weights, nodes)[0]
    if not weights.numel():
        return weights.sum(2)
    largest = weights.amax((1, 2), keepdim=True)
    relative = weights / torch.where(largest > 0, largest, 1)
    return _closed(relative.pow(1 / 3), (weights > 0).double())


def _closed(root: Tensor, edges: Tensor) -> Tensor:
    """Sum of the products along the triangles through each region, over its pairs of neighbours, (B, R)."""
    triangles = ((root @ root) * root).sum(2)  # (root^3)_ii, as root is symmetric
    degree = edges.sum(2)
    return triangles / (degree * (degree - 1)).clamp(min=1)
