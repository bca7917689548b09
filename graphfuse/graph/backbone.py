"""Sparsifiers that look at more than single weights: a spanning tree that joins all regions, a significance test."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from graphfuse._check import check_range
from graphfuse.graph.sparsify import edge_counts, per_chunk, strongest


class SpanningDensity(BaseEstimator):
    """Keep each subject's maximum spanning tree, and the strongest further edges up to a density.

    The tree joins all n usable nodes by the n - 1 edges of the greatest total strength: the minimum spanning tree of
    any distance that falls as the strength grows. Then the strongest other edges come until there are
    ``ceil(density n (n - 1) / 2)``. A tree that has more edges than that stays whole, so every density below 2 / n
    gives the tree alone. No region is cut off, as it is by `TopDensity` at low densities; only a node all of whose
    weights are 0 (after `signed`) stays isolated, and groups that only weights of 0 join stay apart.

    Of equal weights the first by position is taken, so the same matrix always gives the same graph.

    Parameters
    ----------
    density : float
        Share of the possible edges, in (0, 1].
    signed : str
        A key of `SIGNED`, as for `TopDensity`.

    References
    ----------
    Prim (1957), Shortest connection networks and some generalizations, Bell Syst Tech J 36; Alexander-Bloch et al.
    (2010), Disrupted modularity and local connectivity of brain functional networks in childhood-onset schizophrenia,
    Front Syst Neurosci 4 (the tree plus a density).
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
        strength = weights.abs()
        tree = spanning_tree(torch.where(pairs, strength, -1)) & (strength > 0)
        further = edge_counts(self.density, pairs) - tree.sum((1, 2)) // 2
        return tree | strongest(strength, pairs & ~tree, further.clamp(min=0))


class DisparityFilter(BaseEstimator):
    """Keep the edges that carry more of a node's strength than chance would give them.

    If node i of degree k_i (weights other than 0) shared its strength s_i among its edges at random, a share of at
    least ``p_ij = |w_ij| / s_i`` would come with probability ``alpha_ij = (1 - p_ij)^(k_i - 1)``. An edge stays if
    that is below `alpha` at either of its ends. The only edge of a node of degree 1 says nothing from there
    (``alpha_ij = 0^0 = 1``): it stays only if it is significant from its other end. With ``alpha = 1`` all edges of
    nodes of degree 2 or more stay.

    Parameters
    ----------
    alpha : float
        Level of significance of an edge, in (0, 1]; not corrected for the number of edges.
    signed : str
        A key of `SIGNED`, as for `TopDensity`.

    References
    ----------
    Serrano, Boguna and Vespignani (2009), Extracting the multiscale backbone of complex weighted networks, PNAS 106.
    """

    uses_y, scope = False, "own"

    def __init__(self, alpha: float = 0.05, signed: str = "absolute"):
        self.alpha = alpha
        self.signed = signed

    def __call__(self, matrices: Tensor | np.ndarray, nodes=None) -> Tensor:
        """Sparsify `matrices` (B, R, R), symmetric, over usable `nodes` (B, R) bool."""
        check_range("alpha", self.alpha, 0, 1, open_low=True)
        return per_chunk(matrices, nodes, self.signed, self._keep)

    def _keep(self, weights: Tensor, pairs: Tensor) -> Tensor:
        significant = (disparity(weights.abs()) < self.alpha) & pairs
        return significant | significant.mT


def disparity(strength: Tensor) -> Tensor:
    """Probability of a share at least as large by chance: ``alpha_ij = (1 - w_ij / s_i)^(k_i - 1)`` from node i's end.

    Parameters
    ----------
    strength : Tensor (B, R, R)
        Weights, 0 or above; 0 is no edge.

    Returns
    -------
    Tensor (B, R, R) float64
        In [0, 1]; 1 where there is no edge or node i has no other.
    """
    strength = strength.double()
    peak = strength.amax(2, keepdim=True)
    share = strength / torch.where(peak > 0, peak, 1)  # of the row's largest first, so that no sum overflows
    share = share / share.sum(2, keepdim=True).clamp(min=1)
    degree = (strength > 0).sum(2, keepdim=True)
    return (1 - share).pow((degree - 1).clamp(min=0))


def spanning_tree(strength: Tensor) -> Tensor:
    """Mark the maximum spanning tree of each complete graph, in both triangles, by Prim's algorithm on all at once.

    Of equal strengths the edge that comes first in the upper triangle wins, so the tree is unique: Kruskal's over
    stably sorted edges.

    Parameters
    ----------
    strength : Tensor (B, R, R)
        Symmetric; the diagonal is not read.

    Returns
    -------
    Tensor (B, R, R) bool
    """
    n, regions, _ = strength.shape
    graphs, node = torch.arange(n, device=strength.device), torch.arange(regions, device=strength.device)
    tree = torch.zeros_like(strength, dtype=torch.bool)
    outside = (node > 0).expand(n, regions).clone()  # every tree begins at node 0
    parent = torch.zeros(n, regions, dtype=torch.long, device=strength.device)
    best = strength[:, 0].clone()  # strength of the best edge from the tree to each node
    for _ in range(regions - 1):
        new = _first_best(best, _position(parent, node, regions), outside)  # (B,)
        tree[graphs, new, parent[graphs, new]] = True
        outside[graphs, new] = False
        offered = strength[graphs, new]  # (B, R)
        earlier = _position(new[:, None], node, regions) < _position(parent, node, regions)
        better = (offered > best) | ((offered == best) & earlier)
        best, parent = torch.where(better, offered, best), torch.where(better, new[:, None], parent)
    return tree | tree.mT


def _first_best(best: Tensor, position: Tensor, outside: Tensor) -> Tensor:
    """The node (B,) outside of the tree with the strongest edge to it; of equals the one whose edge comes first."""
    low = torch.finfo(best.dtype).min if best.is_floating_point() else torch.iinfo(best.dtype).min
    candidate = torch.where(outside, best, low)
    equal = outside & (candidate == candidate.amax(1, keepdim=True))
    return torch.where(equal, position, torch.iinfo(position.dtype).max).argmin(1)


def _position(a: Tensor, b: Tensor, regions: int) -> Tensor:
    """Order of the edge between a and b in the upper triangle, row by row."""
    return torch.minimum(a, b) * regions + torch.maximum(a, b)
