"""Clusters of a group's graph and the Fourier basis of each, in float64: what eigen pooling is made of."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import eigh, qr, svd
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import check_finite
from graphfuse.kernels.normalise import check_non_negative


def mean_graph(adjacency: Adjacency) -> Tensor:
    """Return the mean over graphs, made symmetric, (R, R) float64.

    Parameters
    ----------
    adjacency : Adjacency of shape (G, R, R)
        Of training subjects alone: what is made of it is fitted.
    """
    graphs, targets, sources = check_shape("adjacency", adjacency, (None, None, adjacency.shape[1])).shape
    weight, pattern = adjacency.weight.detach().double(), adjacency.pattern
    if pattern is None:
        total = weight.sum(0)
    else:
        place = (pattern.row.long() % targets) * sources + pattern.local_col
        total = weight.new_zeros(targets * sources).index_add(0, place, weight).view(targets, sources)
    return (total + total.T) / (2 * graphs)


def normalised_laplacian(graph: np.ndarray) -> np.ndarray:
    """Return ``I - D^-1/2 A D^-1/2`` of A (n, n) >= 0; a node without an edge has 1 on the diagonal alone."""
    degree = graph.sum(1)
    scale = np.where(degree > 0, np.where(degree > 0, degree, 1.0) ** -0.5, 0.0)
    return np.eye(len(graph)) - scale[:, None] * graph * scale


def spectral_clusters(graph: Tensor, num_clusters: int) -> Tensor:
    """Return the cluster of each node, int64 (R,), in 0 .. num_clusters - 1, by the pivots of the spectral embedding.

    The rows of the K eigenvectors of smallest eigenvalue meet K of their own, which QR with pivoting selects. There is
    no random start. Clusters are numbered by their first node.

    Parameters
    ----------
    graph : tensor (R, R)
        Symmetric, weights >= 0; the diagonal does not count.
    num_clusters : int

    Raises
    ------
    InvalidOption
        A cluster would be empty.
    NegativeWeights, NonFinite, ShapeMismatch

    References
    ----------
    Damle, Minden and Ying (2019). Simple, direct and efficient multi-way spectral clustering. Information and
    Inference.
    """
    weight = _as_graph(graph)
    check_range("num_clusters", num_clusters, 1, len(weight))
    vectors = eigh(normalised_laplacian(weight), subset_by_index=(0, num_clusters - 1))[1]  # (R, K)
    pivots = qr(vectors.T, pivoting=True, mode="r")[1][:num_clusters]
    left, _, right = svd(vectors[pivots].T)
    labels = np.abs(vectors @ (left @ right)).argmax(1)
    _, first, labels = np.unique(labels, return_index=True, return_inverse=True)
    if len(first) < num_clusters:
        raise InvalidOption(
            f"num_clusters={num_clusters} leaves {num_clusters - len(first)} clusters without a node on this graph. "
            "Ask for fewer clusters."
        )
    return torch.from_numpy(np.argsort(np.argsort(first))[labels])


def fourier_basis(graph: Tensor, clusters: Tensor, num_modes: int) -> Tensor:
    """Return the graph Fourier modes of each cluster's own subgraph, (num_modes, R, K) float64, lowest first.

    Column k of mode l is the l-th eigenvector of the normalised Laplacian inside cluster k, zero outside. Mode 0 is
    ``D^1/2 1``, also where the subgraph falls apart. The largest entry of a vector is positive; of equally large ones,
    the first. A cluster of fewer nodes than modes repeats its last one.

    Parameters
    ----------
    graph : tensor (R, R)
        Symmetric, weights >= 0; the diagonal does not count.
    clusters : int64 tensor (R,)
    num_modes : int

    Raises
    ------
    NegativeWeights, NonFinite, ShapeMismatch
    """
    weight, labels = _as_graph(graph), check_shape("clusters", clusters, (len(graph),)).cpu().numpy()
    check_range("num_modes", num_modes, 1)
    basis = np.zeros((num_modes, len(weight), labels.max() + 1))
    for k in range(basis.shape[2]):
        members = np.flatnonzero(labels == k)
        modes = _modes(weight[np.ix_(members, members)])
        basis[:, members, k] = modes[np.minimum(np.arange(num_modes), len(members) - 1)]
    return torch.from_numpy(basis)


def _as_graph(graph: Tensor) -> np.ndarray:
    """Return the weights (R, R) float64 with a zero diagonal, checked."""
    check_finite("graph", check_shape("graph", graph, (None, len(graph))))
    check_non_negative(graph)
    weight = graph.detach().cpu().double().numpy()
    if not np.allclose(weight, weight.T):
        raise InvalidOption("graph must be symmetric; got one that differs from its transpose. Use mean_graph().")
    return weight * (1 - np.eye(len(weight)))


def _modes(graph: np.ndarray) -> np.ndarray:
    """Return the eigenvectors of the normalised Laplacian as rows, (n, n), each with its sign settled."""
    root = np.sqrt(graph.sum(1))
    root = root if root.any() else np.ones(len(graph))
    lowest = root / np.linalg.norm(root)
    # Of eigenvalue 0; put below all others, it stays the first where the subgraph is not connected.
    modes = eigh(normalised_laplacian(graph) - np.outer(lowest, lowest))[1].T
    size = np.abs(modes)
    first = (size >= size.max(1, keepdims=True) * (1 - 1e-6)).argmax(1)
    return modes * np.sign(modes[np.arange(len(modes)), first])[:, None]
