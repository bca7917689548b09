"""Eigen pooling: each cluster of a group's graph becomes one node that holds its Fourier coefficients."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from graphfuse._check import check_shape
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.contract import Pooled
from graphfuse.nn.pool.spectral import fourier_basis, spectral_clusters
from graphfuse.nn.readout import mask_nodes


class EigenPooling(nn.Module):
    """``X' = [U_0^T X || .. || U_(L-1)^T X]``, ``A' = S^T A S`` without its diagonal.

    S (R, K) says which cluster a node belongs to, and U_l (R, K) holds the l-th graph Fourier mode of each cluster's
    own subgraph. It has no parameters.

    Hi-GCN clusters each subject's graph by itself, so that the k-th node of one subject is not that of another. Here
    clusters and modes are those of one group graph: `mean_graph` of the training subjects, or a given one.

    Parameters
    ----------
    graph : tensor (R, R)
        The group's, symmetric, weights >= 0; see `graphfuse.nn.pool.spectral.mean_graph`.
    num_clusters : int
        K, the nodes of a pooled graph.
    num_modes : int
        L; what comes out is L times as wide as what comes in.

    Raises
    ------
    InvalidOption
        A cluster would be empty, or the graph is not symmetric.
    NegativeWeights, NonFinite, ShapeMismatch

    References
    ----------
    Ma et al. (2019). Graph convolutional networks with EigenPooling. KDD. Jiang et al. (2020). Hi-GCN: a hierarchical
    graph convolution network for graph embedding learning of brain network and brain disorders prediction. Computers
    in Biology and Medicine.
    """

    def __init__(self, graph: Tensor, num_clusters: int, num_modes: int = 5):
        super().__init__()
        clusters = spectral_clusters(graph, num_clusters)
        self.register_buffer("clusters", clusters)
        self.register_buffer("members", one_hot(clusters, num_clusters).float())  # (R, K)
        self.register_buffer("basis", fourier_basis(graph, clusters, num_modes).float())  # (L, R, K)

    def forward(self, x: Tensor, adjacency: Adjacency, nodes: Tensor | None = None) -> Pooled:
        """Return `Pooled` of x (G, R, D), an adjacency (G, R, R), and usable nodes, bool (G, R) or None for all.

        A node that is not usable counts as zeros and loses its edges; a cluster of such nodes is not usable.
        """
        check_shape("x", x, (None, len(self.members), None))
        x = mask_nodes(x, nodes)
        members = self.members.expand(len(x), -1, -1)  # (G, R, K)
        members = members if nodes is None else torch.where(nodes[..., None], members, 0.0)
        held = members.sum(1)
        modes = self.basis.permute(2, 0, 1)  # (K, L, R)
        coefficients = (modes.flatten(0, 1) @ x).unflatten(1, modes.shape[:2]).flatten(2)  # (G, K, L D)
        return Pooled(coefficients, _between(adjacency, members), held > 0, None, held)


def _between(adjacency: Adjacency, members: Tensor) -> Adjacency:
    """Return the weight between each two clusters, (G, K, K), zero inside a cluster."""
    weight = members.mT @ (adjacency @ members)
    inside = torch.eye(weight.shape[-1], dtype=torch.bool, device=weight.device)
    return Adjacency.from_dense(weight.masked_fill(inside, 0.0))
