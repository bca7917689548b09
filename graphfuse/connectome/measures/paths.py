"""Measures of how a region lies on the shortest ways of its graph: betweenness and efficiency."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from graphfuse.connectome.measures.shortest import (
    hops,
    inverse_distances,
    inverse_weights,
    neighbour_inverse_distances,
    pair_dependencies,
)
from graphfuse.connectome.measures.weights import as_weights


def betweenness(weights: Tensor | np.ndarray, nodes=None) -> Tensor:
    """Share of the shortest ways between other regions that pass through each: ways counted in edges.

    ``b_i = sum_(s,t) n_st(i) / n_st / ((n - 1)(n - 2))`` over ordered pairs of other regions that a way joins; n_st
    is the number of shortest ways, n_st(i) that of those through i, n the number of usable regions. Equals networkx's
    ``betweenness_centrality``.

    Arguments, result and errors are those of `degree`; without unit, from 0 to 1.

    References
    ----------
    Brandes (2001), A faster algorithm for betweenness centrality, J Math Sociol 25.
    """
    return _betweenness(*as_weights(weights, nodes), hops)


def weighted_betweenness(weights: Tensor | np.ndarray, nodes=None) -> Tensor:
    """`betweenness` where an edge is ``1 / w`` long, so that ways go along strong edges.

    Equals networkx's ``betweenness_centrality(weight="length")`` with such lengths; ways whose lengths differ by
    rounding only count as equal.

    Arguments, result and errors are those of `degree`; without unit, from 0 to 1.
    """
    return _betweenness(*as_weights(weights, nodes), inverse_weights)


def efficiency(weights: Tensor | np.ndarray, nodes=None) -> Tensor:
    """How near all others are to a region: ``e_i = sum_j 1 / d_ij / (n - 1)``, d counted in edges.

    n is the number of usable regions; where there is no way, ``1 / d`` is 0. The mean over the usable regions is
    networkx's ``global_efficiency``.

    Arguments, result and errors are those of `degree`; without unit, from 0 to 1.

    References
    ----------
    Latora and Marchiori (2001), Efficient behavior of small-world networks, Phys Rev Lett 87; by region: Achard and
    Bullmore (2007), Efficiency and cost of economical brain functional networks, PLoS Comput Biol 3.
    """
    return _efficiency(*as_weights(weights, nodes), hops)


def weighted_efficiency(weights: Tensor | np.ndarray, nodes=None) -> Tensor:
    """`efficiency` where an edge is ``1 / w`` long; in the unit of the weights.

    Arguments, result and errors are those of `degree`.
    """
    return _efficiency(*as_weights(weights, nodes), inverse_weights)


def local_efficiency(weights: Tensor | np.ndarray, nodes=None) -> Tensor:
    """How near a region's neighbours are to each other without it: the global efficiency of their own graph.

    ``l_i = sum_(j,h) 1 / d_jh / (k_i (k_i - 1))`` over the neighbours of i, d counted in edges between neighbours.
    The mean over the usable regions is networkx's ``local_efficiency``; 0 with fewer than two neighbours.

    Arguments, result and errors are those of `degree`; without unit, from 0 to 1.

    References
    ----------
    Latora and Marchiori (2001), Efficient behavior of small-world networks, Phys Rev Lett 87.
    """
    weights, _ = as_weights(weights, nodes)
    degree = (weights > 0).double().sum(2)
    return neighbour_inverse_distances(hops(weights)).to(weights) / (degree * (degree - 1)).clamp(min=1)


def _betweenness(weights: Tensor, nodes: Tensor, lengths) -> Tensor:
    n = nodes.sum(1, keepdim=True).double()
    return pair_dependencies(lengths(weights)).to(weights) / ((n - 1) * (n - 2)).clamp(min=1)


def _efficiency(weights: Tensor, nodes: Tensor, lengths) -> Tensor:
    return inverse_distances(lengths(weights)).to(weights) / (nodes.sum(1, keepdim=True).double() - 1).clamp(min=1)
