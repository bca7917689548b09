"""The pattern: selection, transpose and self-loops equal those of the matrices."""

from __future__ import annotations

import pickle

import pytest
import torch

from graphfuse.errors import ShapeMismatch
from graphfuse.kernels.csr import BlockCSR, sort_edges


def make(shape=(4, 5, 7)):
    """A pattern of shuffled edges and its edges as a set of (row, col)."""
    torch.manual_seed(0)
    _, targets, sources = shape
    graph, target, source = (torch.rand(shape) < 0.4).nonzero(as_tuple=True)
    shuffle = torch.randperm(len(graph))
    pattern, order = sort_edges((graph * targets + target)[shuffle], (graph * sources + source)[shuffle], shape)
    return pattern, (graph * sources + source)[shuffle][order]


def matrix(pattern: BlockCSR, values: torch.Tensor) -> torch.Tensor:
    return torch.zeros(pattern.size, dtype=values.dtype).index_put((pattern.row.long(), pattern.col.long()), values)


def test_edges_come_in_row_order_in_int32():
    pattern, col = make()
    assert pattern.crow.dtype == pattern.col.dtype == pattern.row.dtype == torch.int32
    assert torch.equal(pattern.col, col.int())
    assert (pattern.row.diff() >= 0).all()


@pytest.mark.parametrize("graphs", [[0, 1, 2, 3], [2], [3, 0, 0], []])
def test_transpose_of_a_selection_is_its_own_transpose(graphs):
    parent, _ = make()
    pattern = parent.select(torch.tensor(graphs, dtype=torch.long))
    values = torch.rand(len(pattern.col))
    transposed, order = pattern.transpose
    assert torch.equal(matrix(transposed, values[order]), matrix(pattern, values).T)
    fresh, fresh_order = BlockCSR(pattern.crow, pattern.col, pattern.shape).transpose
    assert torch.equal(transposed.crow, fresh.crow)
    assert torch.equal(order, fresh_order)


def test_with_loops_adds_the_absent_ones_alone():
    pattern, _ = make((3, 6, 6))
    looped, order = pattern.with_loops
    absent = 18 - int(pattern.is_loop.sum())
    values = torch.cat([torch.ones(len(pattern.col)), torch.full((absent,), 2.0)])[order]
    plain = matrix(pattern, torch.ones(len(pattern.col)))
    assert torch.equal(matrix(looped, values), plain + 2 * torch.diag((plain.diagonal() == 0).float()))


def test_pickle_leaves_parent_and_caches_behind():
    parent, _ = make()
    pattern = parent.select(torch.tensor([1]))
    assert pattern.transpose
    back = pickle.loads(pickle.dumps(pattern))
    assert back.origin is None
    assert "transpose" not in vars(back)
    assert torch.equal(back.col, pattern.col)


def test_too_many_nodes_for_int32():
    with pytest.raises(ShapeMismatch, match="Stack fewer graphs"):
        sort_edges(torch.zeros(0), torch.zeros(0), (70_000, 40_000, 40_000))
