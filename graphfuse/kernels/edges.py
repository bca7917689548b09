"""Edges in and out of an `Adjacency`: each function returns the weight and pattern of a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.kernels.csr import BlockCSR, sort_edges

if TYPE_CHECKING:
    from graphfuse.kernels.adjacency import Adjacency

Storage = tuple[Tensor, BlockCSR | None]


def as_weight(weight) -> Tensor:
    """Return finite floating weights; whatever is no float becomes float32."""
    weight = torch.as_tensor(weight)
    weight = weight if weight.is_floating_point() else weight.float()
    bad = int((~torch.isfinite(weight.detach())).sum())
    if bad:
        raise NonFinite(
            f"Edge weights must be finite; {bad} of {weight.numel()} are NaN or infinite. "
            "Leave out the regions they come from, or set them to 0 (no edge)."
        )
    return weight


def sparsified(adjacency: Adjacency) -> Storage:
    """Store the nonzero entries of a dense adjacency as block CSR."""
    weight = adjacency.weight
    graph, row, col = weight.detach().nonzero(as_tuple=True)
    _, targets, sources = adjacency.shape
    pattern, _ = sort_edges(graph * targets + row, graph * sources + col, adjacency.shape)
    return weight[graph, row, col], pattern


def summed(edge_index, edge_weight, num_nodes: int, num_graphs: int) -> Storage:
    """Store the edges of ``edge_index`` (sources, targets); the weights of equal edges are summed."""
    source, target = check_shape("edge_index", torch.as_tensor(edge_index), (2, None)).long()
    _check_inside(source, target, num_nodes, num_graphs)
    weight = source.new_ones(len(source), dtype=torch.float32) if edge_weight is None else as_weight(edge_weight)
    check_shape("edge_weight", weight, (len(source),))
    total = num_nodes * num_graphs
    key, place = torch.unique(target * total + source, return_inverse=True)
    weight = weight.new_zeros(len(key)).index_add(0, place, weight)
    pattern, _ = sort_edges(key // total, key % total, (num_graphs, num_nodes, num_nodes))  # unique keys are sorted
    return weight, pattern


def looped(adjacency: Adjacency) -> Storage:
    """Give weight 1 to each self-loop that is absent or zero; the others keep theirs."""
    weight = adjacency.weight
    _, targets, sources = adjacency.shape
    if targets != sources:
        raise InvalidOption(
            f"Self-loops need a square adjacency; got {targets} x {sources}. Use self_loops=False or attach()."
        )
    if adjacency.pattern is None:
        absent = (weight.diagonal(dim1=1, dim2=2) == 0).to(weight.dtype)
        weight = weight.clone()
        weight.diagonal(dim1=1, dim2=2).add_(absent)
        return weight, None
    pattern, order = adjacency.pattern.with_loops
    weight = torch.cat([weight, weight.new_zeros(len(order) - len(weight))])[order]
    return weight + (pattern.is_loop & (weight == 0)).to(weight.dtype), pattern


def attached(adjacency: Adjacency, weight: Tensor) -> Storage:
    """Set n rows of edges (n, N) under one square graph of N nodes, and n empty columns beside it."""
    graphs, nodes, sources = adjacency.shape
    if graphs != 1 or nodes != sources:
        raise ShapeMismatch(f"attach() needs one square graph; got shape {adjacency.shape}. Select one graph first.")
    total = nodes + len(check_shape("weight", weight, (None, nodes)))
    if adjacency.pattern is None:
        rows = torch.cat([adjacency.weight[0], weight])
        return torch.cat([rows, rows.new_zeros(total, len(weight))], 1)[None], None
    row, col = weight.detach().nonzero(as_tuple=True)
    fitted = adjacency.pattern
    pattern, order = sort_edges(torch.cat([fitted.row, row + nodes]), torch.cat([fitted.col, col]), (1, total, total))
    return torch.cat([adjacency.weight, weight[row, col]])[order], pattern


def _check_inside(source: Tensor, target: Tensor, num_nodes: int, num_graphs: int) -> None:
    nodes = torch.stack([source, target])
    last = num_nodes * num_graphs - 1
    if nodes.numel() and not 0 <= int(nodes.min()) <= int(nodes.max()) <= last:
        raise InvalidOption(f"edge_index must lie in 0 .. {last}; got {int(nodes.min())} .. {int(nodes.max())}.")
    crossing = int((source // num_nodes != target // num_nodes).sum())
    if crossing:
        raise InvalidOption(f"Edges must stay inside a graph of {num_nodes} nodes; {crossing} join two graphs.")
