"""Sums and softmax over rows of edges equal numpy loops, with gradients, in empty rows too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.kernels import Adjacency
from graphfuse.kernels.segments import row_softmax, row_sum


def edges(seed=0):
    """Two directed graphs of five nodes with an empty row at the start, in the middle and at the end."""
    torch.manual_seed(seed)
    weight = torch.rand(2, 5, 5, dtype=torch.float64) * (torch.rand(2, 5, 5) < 0.6)
    weight[0, 0] = weight[0, 3] = weight[1, 4] = 0.0
    return Adjacency.from_dense(weight, "sparse")


def test_sums_are_those_of_a_loop():
    pattern = edges().pattern
    message = torch.randn(len(pattern.col), 3, dtype=torch.float64, requires_grad=True)
    y = row_sum(message, pattern)
    expected = np.zeros((10, 3))
    for row, value in zip(pattern.row.tolist(), message.detach().numpy(), strict=True):
        expected[row] += value
    np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-14)
    assert torch.autograd.gradcheck(lambda m: row_sum(m, pattern), message)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_softmax_is_that_of_a_loop_over_the_edges_that_are_edges(channels):
    pattern = edges().pattern
    score = torch.randn(len(pattern.col), *channels, dtype=torch.float64, requires_grad=True)
    edge = torch.rand(len(pattern.col)) < 0.7
    alpha = row_softmax(score, pattern, edge).detach().numpy()
    expected, row = np.zeros(score.shape), pattern.row.numpy()
    for r in range(10):
        mine = np.flatnonzero((row == r) & edge.numpy())
        if len(mine):
            power = np.exp(score.detach().numpy()[mine])
            expected[mine] = power / power.sum(0)
    np.testing.assert_allclose(alpha, expected, atol=1e-14)
    assert torch.autograd.gradcheck(lambda s: row_softmax(s, pattern, edge), score)


def test_softmax_survives_scores_of_any_size():
    pattern = edges().pattern
    score = torch.linspace(-1e15, 1e15, len(pattern.col))
    alpha = row_softmax(score, pattern, torch.ones(len(score), dtype=torch.bool))
    assert torch.isfinite(alpha).all()
    has_edges = pattern.crow.diff() > 0
    torch.testing.assert_close(row_sum(alpha, pattern), has_edges.float())


def test_no_edge_at_all():
    empty = edges().without_edges().pattern
    message = torch.zeros(0, 3, requires_grad=True)
    y = row_sum(row_softmax(message, empty, torch.zeros(0, dtype=torch.bool)), empty)
    assert torch.equal(y, torch.zeros(10, 3))
    y.sum().backward()
    assert message.grad.shape == (0, 3)
