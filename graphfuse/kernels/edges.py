"""Edges in and out of an adjacency's `Storage`: each function returns a new one."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse._memory import check_memory
from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.kernels.csr import check_size, sort_edges, sorted_edges
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.kernels.storage import Storage


def as_weight(weight) -> Tensor:
    """Return floating weights of at most `LIMIT`; whatever is no float becomes float32."""
    weight = torch.as_tensor(weight)
    weight = weight if weight.is_floating_point() else weight.float()
    return check_finite("Edge weights", weight, LIMIT, "Leave out the regions they come from, or set them to 0.")


def sparsified(matrices: Tensor) -> Storage:
    """Store the nonzero entries of matrices (G, R, S) as block CSR."""
    _, targets, sources = matrices.shape
    graph, row, col = matrices.detach().nonzero(as_tuple=True)  # in row order
    check_size(tuple(matrices.shape), len(col))
    pattern = sorted_edges(graph * targets + row, graph * sources + col, tuple(matrices.shape))
    return Storage(matrices[graph, row, col], pattern)


def densified(storage: Storage) -> Tensor:
    """Write a sparse adjacency as matrices (G, R, S), if there is memory for them."""
    weight, pattern = storage.weight, storage.pattern
    graphs, targets, sources = storage.shape
    size = graphs * targets * sources
    check_memory(f"A dense adjacency of {graphs} x {targets} x {sources}", size * weight.element_size(), "Stay sparse.")
    place = pattern.row.long() * sources + pattern.local_col
    return weight.new_zeros(size).index_put((place,), weight).view(graphs, targets, sources)


def summed(edge_index, edge_weight, num_nodes: int, num_graphs: int) -> Storage:
    """Store the edges of ``edge_index`` (sources, targets); the weights of equal edges are summed."""
    edge_index = check_shape("edge_index", torch.as_tensor(edge_index), (2, None))
    if edge_index.is_floating_point() and edge_index.numel():
        raise InvalidOption(f"edge_index must hold integers; got {edge_index.dtype}.")
    shape = (num_graphs, num_nodes, num_nodes)
    check_size(shape, edge_index.shape[1])
    source, target = edge_index.long()
    _check_inside(source, target, num_nodes, num_graphs)
    weight = source.new_ones(len(source), dtype=torch.float32) if edge_weight is None else as_weight(edge_weight)
    check_shape("edge_weight", weight, (len(source),))
    total = max(num_nodes * num_graphs, 1)
    key, order = (target * total + source).sort(stable=True)
    new = torch.ones_like(key, dtype=torch.bool)
    new[1:] = key[1:] != key[:-1]
    if bool(new.all()):  # the rule: nothing to sum
        return Storage(weight[order], sorted_edges(key // total, key % total, shape))
    weight = weight.new_zeros(int(new.sum())).index_add(0, new.cumsum(0) - 1, weight[order])
    key = key[new]
    return Storage(as_weight(weight), sorted_edges(key // total, key % total, shape))  # a sum may overflow


def looped(storage: Storage) -> Storage:
    """Give weight 1 to each self-loop that is absent or zero; the others keep theirs."""
    weight, pattern = storage.weight, storage.pattern
    _, targets, sources = storage.shape
    if targets != sources:
        raise InvalidOption(
            f"Self-loops need a square adjacency; got {targets} x {sources}. Use self_loops=False or attach()."
        )
    if pattern is None:
        absent = (weight.diagonal(dim1=1, dim2=2) == 0).to(weight.dtype)
        weight = weight.clone()
        weight.diagonal(dim1=1, dim2=2).add_(absent)
        return storage._replace(weight=weight)
    pattern, order = pattern.with_loops
    weight = torch.cat([weight, weight.new_zeros(len(order) - len(weight))])[order]
    weight = weight + (pattern.is_loop & (weight == 0)).to(weight.dtype)
    return storage._replace(weight=weight, pattern=pattern)


def loopless(storage: Storage) -> Storage:
    """Put a zero on the diagonal."""
    weight, (_, targets, sources) = storage.weight, storage.shape
    if storage.pattern is None:
        loop = torch.eye(targets, sources, dtype=torch.bool, device=weight.device)
    else:
        loop = storage.pattern.is_loop
    return storage._replace(weight=weight.masked_fill(loop, 0.0))


def attached(storage: Storage, weight) -> Storage:
    """Set n rows of edges (n, N), dense or sparse, under one square graph of N nodes, and n empty columns beside it."""
    weight = torch.as_tensor(weight)
    graphs, nodes, sources = storage.shape
    if graphs != 1 or nodes != sources:
        raise ShapeMismatch(f"attach() needs one square graph; got shape {storage.shape}. Select one graph first.")
    total = nodes + len(check_shape("weight", weight, (None, nodes)))
    if storage.pattern is None:
        weight = weight.to_dense() if weight.is_sparse else weight
        rows = torch.cat([storage.weight[0], as_weight(weight).to(storage.weight)])
        return Storage(torch.cat([rows, rows.new_zeros(total, len(weight))], 1)[None])
    edge = weight.coalesce() if weight.is_sparse else weight.to_sparse()
    row, col = edge.indices()
    weight = as_weight(edge.values()).to(storage.weight)
    fitted = storage.pattern
    pattern, order = sort_edges(torch.cat([fitted.row, row + nodes]), torch.cat([fitted.col, col]), (1, total, total))
    return Storage(torch.cat([storage.weight, weight])[order], pattern)


def selected(storage: Storage, graphs: Tensor) -> Storage:
    """Take the graphs at positions `graphs`, int64 (G',)."""
    weight, pattern, outside = storage
    outside = None if outside is None else outside[graphs]
    if pattern is None:
        return Storage(weight[graphs], None, outside)
    if weight.requires_grad:
        return Storage(weight[pattern.edges_of(graphs)[0]], pattern.select(graphs), outside)
    pattern, weight = pattern.select_with(graphs, weight)
    return Storage(weight, pattern, outside)


def moved(storage: Storage, target: torch.device | torch.dtype | str) -> Storage:
    """Bring it to another device, or give the weights another type."""
    weight, pattern, outside = storage
    weight = weight.to(target)
    pattern = None if pattern is None else pattern.to(weight.device)
    return Storage(weight, pattern, None if outside is None else outside.to(weight))


def is_symmetric(storage: Storage) -> bool:
    """Tell whether every graph equals its transpose, bit for bit."""
    weight, pattern = storage.weight.detach(), storage.pattern
    if storage.shape[1] != storage.shape[2]:
        return False
    if pattern is None:
        return all(torch.equal(matrix, matrix.T) for matrix in weight)
    transposed, order = pattern.transpose
    same = torch.equal(transposed.crow, pattern.crow) and torch.equal(transposed.col, pattern.col)
    return same and torch.equal(weight[order], weight)


def _check_inside(source: Tensor, target: Tensor, num_nodes: int, num_graphs: int) -> None:
    if not len(source):
        return
    last = num_nodes * num_graphs - 1
    low, high = min(int(source.min()), int(target.min())), max(int(source.max()), int(target.max()))
    if low < 0 or high > last:
        raise InvalidOption(f"edge_index must lie in 0 .. {last}; got {low} .. {high}.")
    crossing = int((source // num_nodes != target // num_nodes).sum()) if num_graphs > 1 else 0
    if crossing:
        raise InvalidOption(f"Edges must stay inside a graph of {num_nodes} nodes; {crossing} join two graphs.")
