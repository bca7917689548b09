"""Keeping some nodes of a stack of graphs: how many, which ones, and the edges between them."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor

from graphfuse._check import check_range
from graphfuse.kernels import Adjacency
from graphfuse.kernels.csr import sort_edges


def num_kept(ratio: float, num_nodes: int) -> int:
    """Return ``ceil(ratio * num_nodes)``, at least 1; `ratio` in (0, 1]."""
    check_range("ratio", ratio, 0.0, 1.0, open_low=True)
    return max(ceil(round(ratio * num_nodes, 9)), 1)  # 0.55 * 100 is 55.00000000000001


def keep_largest(score: Tensor, nodes: Tensor | None, count: int) -> Tensor:
    """Return the nodes of the `count` largest scores, largest first, int64 (G, count).

    Of equal scores the lower node number wins. Nodes that are not usable come after all others.

    Parameters
    ----------
    score : tensor (G, R)
    nodes : bool tensor (G, R) or None
    count : int
    """
    score = score.detach()
    score = score if nodes is None else score.masked_fill(~nodes, -torch.inf)
    return score.sort(dim=1, descending=True, stable=True).indices[:, :count]


def take_nodes(values: Tensor, kept: Tensor) -> Tensor:
    """Return ``values[g, kept[g]]``: (G, r, D) of (G, R, D), or (G, r) of (G, R)."""
    return torch.take_along_dim(values, kept[..., None] if values.dim() == 3 else kept, 1)


def take_pairs(matrices: Tensor, kept: Tensor) -> Tensor:
    """Return ``matrices[g][kept[g]][:, kept[g]]``, (G, r, r) of (G, R, R)."""
    rows = torch.take_along_dim(matrices, kept[:, :, None], 1)  # (G, r, R)
    return torch.take_along_dim(rows, kept[:, None, :], 2)


def induced_subgraph(adjacency: Adjacency, kept: Tensor) -> Adjacency:
    """Return the edges between kept nodes with their weights, of shape (G, r, r), in the layout that came.

    Parameters
    ----------
    adjacency : Adjacency of shape (G, R, R)
    kept : int64 tensor (G, r)
        Distinct nodes of each graph; node ``kept[g, i]`` becomes node i.
    """
    if adjacency.pattern is None:
        return Adjacency(take_pairs(adjacency.weight, kept))
    graphs, count = kept.shape
    position = _positions(kept, adjacency.num_nodes)
    row, col = position[adjacency.pattern.row], position[adjacency.pattern.col]
    inside = (row >= 0) & (col >= 0)
    pattern, order = sort_edges(row[inside], col[inside], (graphs, count, count))
    return Adjacency(adjacency.weight[inside][order], pattern)


def two_hops(adjacency: Adjacency) -> Adjacency:
    """Return ``(A + I)^2`` with a zero diagonal: BrainGNN joins again what pooling has cut.

    Parameters
    ----------
    adjacency : Adjacency of shape (G, R, R)
        Self-loops count as weight 1, whatever they were.

    References
    ----------
    Gao and Ji (2019). Graph U-Nets. ICML (graph power before the next pooling).
    """
    weight = adjacency.without_self_loops().to_dense()
    loop = torch.eye(weight.shape[-1], dtype=torch.bool, device=weight.device)
    return Adjacency.from_dense((2 * weight + weight @ weight).masked_fill(loop, 0.0))


def _positions(kept: Tensor, num_nodes: int) -> Tensor:
    """Return where each node of the stack went, int64 (G R,), -1 if it was dropped."""
    graphs, count = kept.shape
    new = torch.arange(graphs * count, device=kept.device).view(graphs, count)
    return torch.full((graphs, num_nodes), -1, device=kept.device).scatter(1, kept, new).flatten()
