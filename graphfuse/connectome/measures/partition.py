"""Measures of how a region's edges spread over communities: participation, and its part in the modularity."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.connectome.measures.weights import as_weights
from graphfuse.errors import InvalidOption


def participation(weights: Tensor | np.ndarray, communities: Tensor | np.ndarray, nodes=None) -> Tensor:
    """How evenly a region's strength spreads over the communities: ``p_i = 1 - sum_c (s_ic / s_i)^2``.

    ``s_ic`` is the sum of the weights between region i and community c. 0: all edges stay in one community, or there
    are none.

    Parameters
    ----------
    weights : array (B, R, R)
        Symmetric, 0 or above; the diagonal is never looked at.
    communities : array (B, R) int
        The community of each region, from 0 on; what stands at an unusable region is not read.
    nodes : array (B, R) bool or None
        Usable regions; the others are 0 and influence nothing.

    Returns
    -------
    Tensor (B, R) float64
        Without unit, from 0 to 1.

    Raises
    ------
    InvalidOption
        A negative community at a usable region.
    NegativeWeights, NonFinite, ShapeMismatch

    References
    ----------
    Guimera and Amaral (2005), Functional cartography of complex metabolic networks, Nature 433.
    """
    weights, nodes = as_weights(weights, nodes)
    total = weights.sum(2)
    share = weights @ _members(communities, nodes) / torch.where(total > 0, total, 1)[..., None]  # (B, R, C)
    return torch.where(total > 0, 1 - share.square().sum(2), 0)


def modularity_part(weights: Tensor | np.ndarray, communities: Tensor | np.ndarray, nodes=None) -> Tensor:
    """Each region's part in the modularity: ``q_i = sum_(j in c_i) (w_ij - s_i s_j / S) / S``, ``S = sum_ij w_ij``.

    The parts of all regions sum to the modularity of the graph, networkx's ``community.modularity``; 0 without edges.
    Splitting the sum by region is ours: the source gives the whole only.

    Arguments and errors are those of `participation`; (B, R) float64 without unit.

    References
    ----------
    Newman (2004), Analysis of weighted networks, Phys Rev E 70.
    """
    weights, nodes = as_weights(weights, nodes)
    members, own = _members(communities, nodes), weights.sum(2, keepdim=True)  # (B, R, C), (B, R, 1)
    total = own.sum((1, 2)).clamp(min=torch.finfo(weights.dtype).tiny)[:, None]
    inside = (weights @ members * members).sum(2)
    expected = own[..., 0] / total * (members @ (members.mT @ own))[..., 0]
    return (inside - expected) / total


def modularity(weights: Tensor | np.ndarray, communities: Tensor | np.ndarray, nodes=None) -> Tensor:
    """Modularity of each graph, (B,): the sum of `modularity_part`, whose arguments and errors it shares."""
    return modularity_part(weights, communities, nodes).sum(1)


def _members(communities, nodes: Tensor) -> Tensor:
    """1 where a usable region belongs to a community, (B, R, C) float64."""
    codes = torch.as_tensor(communities, device=nodes.device).long()
    codes = torch.where(nodes, check_shape("communities", codes, tuple(nodes.shape)), 0)
    if (codes < 0).any():
        raise InvalidOption("communities must be 0 or above at usable regions; a region without one has its own.")
    members = torch.nn.functional.one_hot(codes, int(codes.max()) + 1 if codes.numel() else 1)
    return (members * nodes[..., None]).double()
