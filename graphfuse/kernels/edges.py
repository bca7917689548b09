"""Edges in and out of an `Adjacency`: each function returns the weight and pattern of a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse._memory import check_memory
from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.kernels.csr import BlockCSR, sort_edges
from graphfuse.kernels.finite import LIMIT, check_finite

if TYPE_CHECKING:
    from graphfuse.kernels.adjacency import Adjacency

Storage = tuple[Tensor, BlockCSR | None]


def as_weight(weight) -> Tensor:
    """Return floating weights of at most `LIMIT`; whatever is no float becomes float32."""
    weight = torch.as_tensor(weight)
    weight = weight if weight.is_floating_point() else weight.float()
    return check_finite("Edge weights", weight, LIMIT, "Leave out the regions they come from, or set them to 0.")


def sparsified(adjacency: Adjacency) -> Storage:
    """Store the nonzero entries of a dense adjacency as block CSR."""
    weight = adjacency.weight
    graph, row, col = weight.detach().nonzero(as_tuple=True)
    _, targets, sources = adjacency.shape
    pattern, _ = sort_edges(graph * targets + row, graph * sources + col, adjacency.shape)
    return weight[graph, row, col], pattern


def densified(adjacency: Adjacency) -> Tensor:
    """Write a sparse adjacency as matrices (G, R, S), if there is memory for them."""
    weight, pattern, (graphs, targets, sources) = adjacency.weight, adjacency.pattern, adjacency.shape
    size = graphs * targets * sources
    check_memory(f"A dense adjacency of {graphs} x {targets} x {sources}", size * weight.element_size(), "Stay sparse.")
    place = pattern.row.long() * sources + pattern.local_col
    return weight.new_zeros(size).index_put((place,), weight).view(graphs, targets, sources)


def summed(edge_index, edge_weight, num_nodes: int, num_graphs: int) -> Storage:
    """Store the edges of ``edge_index`` (sources, targets); the weights of equal edges are summed."""
    edge_index = check_shape("edge_index", torch.as_tensor(edge_index), (2, None))
    if edge_index.is_floating_point() and edge_index.numel():
        raise InvalidOption(f"edge_index must hold integers; got {edge_index.dtype}.")
    source, target = edge_index.long()
    _check_inside(source, target, num_nodes, num_graphs)
    weight = source.new_ones(len(source), dtype=torch.float32) if edge_weight is None else as_weight(edge_weight)
    check_shape("edge_weight", weight, (len(source),))
    total = num_nodes * num_graphs
    key, place = torch.unique(target * total + source, return_inverse=True)
    weight = as_weight(weight.new_zeros(len(key)).index_add(0, place, weight))  # a sum may overflow
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


def attached(adjacency: Adjacency, weight) -> Storage:
    """Set n rows of edges (n, N), dense or sparse, under one square graph of N nodes, and n empty columns beside it."""
    weight = torch.as_tensor(weight)
    graphs, nodes, sources = adjacency.shape
    if graphs != 1 or nodes != sources:
        raise ShapeMismatch(f"attach() needs one square graph; got shape {adjacency.shape}. Select one graph first.")
    total = nodes + len(check_shape("weight", weight, (None, nodes)))
    if adjacency.pattern is None:
        weight = weight.to_dense() if weight.is_sparse else weight
        rows = torch.cat([adjacency.weight[0], as_weight(weight).to(adjacency.weight)])
        return torch.cat([rows, rows.new_zeros(total, len(weight))], 1)[None], None
    edge = weight.coalesce() if weight.is_sparse else weight.to_sparse()
    row, col = edge.indices()
    weight = as_weight(edge.values()).to(adjacency.weight)
    fitted = adjacency.pattern
    pattern, order = sort_edges(torch.cat([fitted.row, row + nodes]), torch.cat([fitted.col, col]), (1, total, total))
    return torch.cat([adjacency.weight, weight])[order], pattern


def _check_inside(source: Tensor, target: Tensor, num_nodes: int, num_graphs: int) -> None:
    nodes = torch.stack([source, target])
    last = num_nodes * num_graphs - 1
    if nodes.numel() and not 0 <= int(nodes.min()) <= int(nodes.max()) <= last:
        raise InvalidOption(f"edge_index must lie in 0 .. {last}; got {int(nodes.min())} .. {int(nodes.max())}.")
    crossing = int((source // num_nodes != target // num_nodes).sum())
    if crossing:
        raise InvalidOption(f"Edges must stay inside a graph of {num_nodes} nodes; {crossing} join two graphs.")
