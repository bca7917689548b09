"""Moving edges about in memory: a share of a stack, and the order of its transpose; numba on a CPU, torch elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse.kernels.jit import jit, over_rows


def copy_graphs(col: Tensor, weight: Tensor | None, starts: Tensor, counts: Tensor, move: Tensor):
    """Copy runs of edges, one after another, their sources moved.

    Parameters
    ----------
    col : int32 tensor (E,)
    weight : tensor (E,) or None
    starts, counts, move : int64 tensor (G',)
        First edge and length of each run, and what is added to its sources.

    Returns
    -------
    int32 tensor (E',), and the weights (E',) or None
    """
    places = counts.cumsum(0) - counts
    if col.device.type != "cpu":
        edges = (starts - places).repeat_interleave(counts)
        edges = edges + torch.arange(len(edges), device=edges.device)
        return col[edges] + move.repeat_interleave(counts).int(), None if weight is None else weight[edges]
    total = int(counts.sum())
    new_col = col.new_empty(total)
    over_rows(_copy_moved, len(starts), new_col, col, starts, counts, places, move, least=16)
    if weight is None:
        return new_col, None
    new_weight = weight.new_empty(total)
    over_rows(_copy, len(starts), new_weight, weight, starts, counts, places, least=16)
    return new_col, new_weight


def transpose_order(col: Tensor, columns: int) -> tuple[Tensor, Tensor]:
    """Sort edges (E,) stably by source: int32 pointers (columns + 1,) and the order, int32 (E,)."""
    if col.device.type != "cpu":
        pointers = torch.zeros(columns + 1, dtype=torch.int32, device=col.device)
        pointers[1:] = torch.bincount(col, minlength=columns).cumsum(0)
        return pointers, torch.argsort(col, stable=True).int()
    pointers = torch.zeros(columns + 1, dtype=torch.int32)
    order = torch.empty(len(col), dtype=torch.int32)
    _count_and_place(pointers.numpy(), order.numpy(), col.numpy())
    return pointers, order


@jit
def _copy_moved(begin, end, new, old, starts, counts, places, move):
    for g in range(begin, end):
        for e in range(counts[g]):
            new[places[g] + e] = old[starts[g] + e] + move[g]


@jit
def _copy(begin, end, new, old, starts, counts, places):
    for g in range(begin, end):
        for e in range(counts[g]):
            new[places[g] + e] = old[starts[g] + e]


@jit
def _count_and_place(pointers, order, col):
    for e in range(len(col)):
        pointers[col[e] + 1] += 1
    for c in range(len(pointers) - 1):
        pointers[c + 1] += pointers[c]
    place = pointers[:-1].copy()
    for e in range(len(col)):
        order[place[col[e]]] = e
        place[col[e]] += 1
