"""Soft clusters of regions around fixed orthonormal centres: the readout of the Brain Network Transformer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.pool.contract import Pooled
from graphfuse.nn.readout import mask_nodes


def orthonormal_centres(num_clusters: int, in_channels: int) -> Tensor:
    """Return num_clusters orthonormal vectors (K, D), a Xavier draw made orthonormal in float64.

    Raises
    ------
    InvalidOption
        More centres than dimensions.
    """
    if num_clusters > in_channels:
        raise InvalidOption(
            f"Orthonormal centres need num_clusters <= in_channels; got {num_clusters} > {in_channels}. "
            "Ask for fewer clusters or widen the layer before."
        )
    draw = nn.init.xavier_uniform_(torch.empty(num_clusters, in_channels))
    return torch.linalg.qr(draw.double().T).Q.T.to(draw.dtype).contiguous()


def project_assignment(z: Tensor, centres: Tensor) -> Tensor:
    """Return ``P_rk = softmax_k(<z_r, e_k>^2 / ||e_k||)``, (..., R, K), of z (..., R, D) and centres (K, D)."""
    return ((z @ centres.T).square() / centres.norm(dim=1)).softmax(-1)


def clustering_loss(assignment: Tensor, nodes: Tensor | None = None) -> Tensor:
    """Return deep embedded clustering's ``mean_r KL(q_r || p_r)``, which sharpens the assignment, a scalar.

    ``q_rk ~ p_rk^2 / sum_r p_rk``, rows summing to 1, held fixed.

    Parameters
    ----------
    assignment : tensor (G, R, K)
        p, rows summing to 1.
    nodes : bool tensor (G, R) or None
        Usable nodes; the rows of the others do not count.

    References
    ----------
    Xie et al. (2016). Unsupervised deep embedding for clustering analysis. ICML.
    """
    p = assignment.flatten(0, 1) if nodes is None else assignment[nodes]  # (rows, K)
    tiny = torch.finfo(p.dtype).tiny
    with torch.no_grad():
        q = p.square() / p.sum(0).clamp(min=tiny)
        q = q / q.sum(1, keepdim=True).clamp(min=tiny)
    divergence = torch.xlogy(q, q) - q * p.clamp(min=tiny).log()
    return divergence.sum() / max(len(p), 1)


class ClusterPooling(nn.Module):
    """``P = softmax_k(<z_r, e_k>^2 / ||e_k||)``, ``X' = P^T Z``, ``A' = P^T A P``, ``Z = MLP([x_1 || .. || x_R])``.

    The centres e are orthonormal and frozen. The encoder sees all nodes at once through a bottleneck, so it is made
    for one set of regions in one order. The source has no graph after its transformer; A' is ours, as in DiffPool.

    Parameters
    ----------
    in_channels : int
        Width of a node, D.
    num_nodes : int
        Nodes of a graph, R.
    num_clusters : int
        K <= D, the nodes of a pooled graph.
    bottleneck : int

    Raises
    ------
    InvalidOption
        More clusters than dimensions.

    References
    ----------
    Kan et al. (2022). Brain network transformer. NeurIPS.
    """

    def __init__(self, in_channels: int, num_nodes: int, num_clusters: int = 100, bottleneck: int = 32):
        super().__init__()
        self.in_channels, self.num_nodes, self.num_clusters = in_channels, num_nodes, num_clusters
        self.encoder = nn.Sequential(
            nn.Linear(num_nodes * in_channels, bottleneck),
            nn.LeakyReLU(),
            nn.Linear(bottleneck, bottleneck),
            nn.LeakyReLU(),
            nn.Linear(bottleneck, num_nodes * in_channels),
        )
        self.register_buffer("centres", orthonormal_centres(num_clusters, in_channels))

    def assignment(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return P, (G, R, K), of x (G, R, D): rows sum to 1, and are zero at nodes that are not usable."""
        return self._assign(self._encode(x, nodes), nodes)

    def forward(self, x: Tensor, adjacency: Adjacency, nodes: Tensor | None = None) -> Pooled:
        """Return `Pooled` of x (G, R, D), an adjacency (G, R, R), and usable nodes, bool (G, R) or None for all."""
        z = self._encode(x, nodes)
        p = self._assign(z, nodes)
        score = p.sum(1)
        usable = (torch.ones_like(score) if nodes is None else nodes.any(1, keepdim=True).expand_as(score)).bool()
        coarse = Adjacency.from_dense(p.mT @ (adjacency @ p))
        return Pooled(p.mT @ z, coarse, usable, None, score)

    def _encode(self, x: Tensor, nodes: Tensor | None) -> Tensor:
        check_shape("x", x, (None, self.num_nodes, self.in_channels))
        z = self.encoder(mask_nodes(x, nodes).flatten(1)).view_as(x)
        return check_finite("What the encoder gives", z, LIMIT)

    def _assign(self, z: Tensor, nodes: Tensor | None) -> Tensor:
        p = project_assignment(z, self.centres)
        return p if nodes is None else torch.where(nodes[..., None], p, 0.0)
