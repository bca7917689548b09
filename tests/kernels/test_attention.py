"""Edge-softmax attention equals a loop over nodes, in both storages."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import ShapeMismatch
from graphfuse.kernels import Adjacency, edge_softmax_attention


def by_loop(weight, target_score, source_score, v):
    """One softmax a target and head."""
    graphs, targets, _ = weight.shape
    out = torch.zeros(graphs, targets, *v.shape[2:], dtype=v.dtype)
    for g in range(graphs):
        for r in range(targets):
            edges = weight[g, r].nonzero()[:, 0]
            if len(edges):
                score = torch.nn.functional.leaky_relu(target_score[g, r] + source_score[g, edges], 0.2)
                out[g, r] = (score.softmax(0)[..., None] * v[g, edges]).sum(0)
    return out


def problem(shape=(3, 5, 7), heads=2):
    torch.manual_seed(0)
    graphs, targets, sources = shape
    weight = torch.randn(shape).double() * (torch.rand(shape) < 0.4)  # signed: weights do not enter
    weight[1, 2] = 0.0
    scores = [5 * torch.randn(graphs, n, heads).double() for n in (targets, sources)]
    return weight, [*scores, torch.randn(graphs, sources, heads, 3).double()]


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 6, 6), (1, 9, 4)])
def test_output_and_gradients_equal_the_loop(layout, shape):
    weight, tensors = problem((max(shape[0], 2), *shape[1:]))
    results = []
    for attend in (by_loop, lambda w, *t: edge_softmax_attention(Adjacency.from_dense(w, layout), *t)):
        leaves = [tensor.clone().requires_grad_() for tensor in tensors]
        y = attend(weight, *leaves)
        results.append((y, *torch.autograd.grad((y * y.detach().sin()).sum(), leaves)))
    for ours, loop in zip(*results, strict=True):
        torch.testing.assert_close(ours, loop)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_large_scores_and_empty_rows_are_finite(layout):
    weight, (target, source, v) = problem()
    y = edge_softmax_attention(
        Adjacency.from_dense(weight, layout).to(torch.float32), 1e4 * target.float(), 1e4 * source.float(), v.float()
    )
    assert torch.isfinite(y).all()
    assert not y[1, 2].any()


def test_a_zero_weight_is_no_edge_in_either_storage():
    weight, tensors = problem()
    adjacency = Adjacency.from_dense(weight, "sparse")
    thinned = adjacency.drop_edges(0.5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(edge_softmax_attention(thinned, *tensors), by_loop(thinned.to_dense(), *tensors))


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_dropout_keeps_the_mean(layout):
    torch.manual_seed(0)
    ones = torch.zeros(1, 2000, 1)
    adjacency = Adjacency.from_dense(torch.ones(1, 2000, 20), layout)
    y = edge_softmax_attention(adjacency, ones, ones[:, :20], torch.ones(1, 20, 1, 1), dropout=0.5)
    assert y.std() > 0.1
    assert abs(float(y.mean()) - 1) < 0.02


def test_shapes_are_checked():
    weight, (target, source, v) = problem()
    with pytest.raises(ShapeMismatch, match="source_score"):
        edge_softmax_attention(Adjacency.from_dense(weight), target, source[:, 1:], v)
