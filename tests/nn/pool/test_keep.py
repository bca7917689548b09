"""Kept nodes: how many, which, and the edges between them."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.keep import induced_subgraph, keep_largest, num_kept, two_hops


def matrices(seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(3, 6, 6, generator=generator, dtype=torch.float64)
    return weight * (torch.rand(3, 6, 6, generator=generator) < 0.5)


def test_the_number_kept_is_the_ceiling_and_not_one_more():
    assert [num_kept(0.5, n) for n in (1, 6, 7)] == [1, 3, 4]
    assert num_kept(0.55, 100) == 55  # 0.55 * 100 is 55.00000000000001
    assert num_kept(1.0, 9) == 9
    assert num_kept(1e-12, 9) == 1
    with pytest.raises(InvalidOption, match="ratio"):
        num_kept(0.0, 5)


def test_equal_scores_go_to_the_lower_node_and_unusable_nodes_come_last():
    score = torch.tensor([[1.0, 3.0, 3.0, 9.0, 1.0]])
    nodes = torch.tensor([[True, True, True, False, True]])
    assert keep_largest(score, nodes, 5).tolist() == [[1, 2, 0, 4, 3]]
    assert keep_largest(score, None, 2).tolist() == [[3, 1]]


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_the_induced_graph_is_the_submatrix_with_its_gradient(layout):
    kept = torch.tensor([[4, 0, 2], [1, 5, 3], [2, 3, 0]])
    weight = matrices().requires_grad_()
    adjacency = induced_subgraph(Adjacency.from_dense(weight, layout), kept)
    assert adjacency.layout == layout
    expected = torch.stack([weight[g][kept[g]][:, kept[g]] for g in range(3)])
    torch.testing.assert_close(adjacency.to_dense(), expected)
    factor = torch.arange(27.0, dtype=torch.float64).view(3, 3, 3)
    (ours,) = torch.autograd.grad((adjacency.to_dense() * factor).sum(), weight, retain_graph=True)
    (theirs,) = torch.autograd.grad((expected * factor * (expected != 0)).sum(), weight)
    torch.testing.assert_close(ours * (weight != 0), theirs)


def test_the_induced_graph_multiplies_whichever_its_layout():
    kept, x = torch.tensor([[4, 0, 2], [1, 5, 3], [2, 3, 0]]), torch.randn(3, 3, 2, dtype=torch.float64)
    dense, sparse = (induced_subgraph(Adjacency.from_dense(matrices(), how), kept) for how in ("dense", "sparse"))
    torch.testing.assert_close(dense @ x, sparse @ x)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_two_hops_is_the_square_with_self_loops_less_the_diagonal(layout):
    weight = matrices()
    loops = weight * (1 - torch.eye(6, dtype=torch.float64)) + torch.eye(6, dtype=torch.float64)
    expected = (loops @ loops) * (1 - torch.eye(6, dtype=torch.float64))
    torch.testing.assert_close(two_hops(Adjacency.from_dense(weight, layout)).to_dense(), expected)
