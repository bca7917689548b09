"""Attention over edges: a loop over nodes as judge, both storages, the operation as torch knows it, its memory."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.kernels import Adjacency, edge_softmax_attention
from graphfuse.kernels.attention import _attend, attend, attend_edges
from graphfuse.kernels.attention_reference import attend_reference, kept


def by_loop(weight, q, k, v, a=None, slope=0.2, scale=None):
    """One softmax a target and head."""
    graphs, targets, _ = weight.shape
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    out = torch.zeros(graphs, targets, *v.shape[2:], dtype=v.dtype)
    for g in range(graphs):
        for r in range(targets):
            edges = weight[g, r].nonzero()[:, 0]
            if len(edges):
                pair = q[g, r] * k[g, edges] * scale if a is None else a * by_sign(q[g, r] + k[g, edges], slope)
                out[g, r] = (pair.sum(-1).softmax(0)[..., None] * v[g, edges]).sum(0)
    return out


def by_sign(x, slope):
    return torch.where(x > 0, x, slope * x)


def problem(shape=(3, 5, 7), heads=2, width=3, kind="additive", dtype=torch.float64):
    """Signed weights, for they do not enter, one row without an edge, and the tensors of a score."""
    generator = torch.Generator().manual_seed(0)
    graphs, targets, sources = shape
    weight = torch.randn(shape, generator=generator, dtype=dtype) * (torch.rand(shape, generator=generator) < 0.4)
    weight[-1, -1] = 0.0
    sizes = [(graphs, targets, heads, width), (graphs, sources, heads, width), (graphs, sources, heads, 5)]
    sizes += [(heads, width)] if kind == "additive" else []
    return weight, [2 * torch.randn(size, generator=generator, dtype=dtype) for size in sizes]


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 6, 6), (1, 9, 4), (1, 1, 1)])
@pytest.mark.parametrize("kind", ["additive", "dot"])
@pytest.mark.parametrize(("heads", "width"), [(1, 1), (3, 4)])
def test_output_and_gradients_equal_the_loop(layout, shape, kind, heads, width):
    weight, tensors = problem(shape, heads, width, kind)
    results = []
    for function in (by_loop, lambda w, *t: attend(Adjacency.from_dense(w, layout), *t)):
        leaves = [tensor.clone().requires_grad_() for tensor in tensors]
        y = function(weight, *leaves)
        y = y + 0 * sum(leaf.sum() for leaf in leaves)  # of a graph without an edge the loop has no gradient
        results.append((y, *torch.autograd.grad((y * y.detach().sin()).sum(), leaves)))
    for ours, loop in zip(*results, strict=True):
        torch.testing.assert_close(ours, loop)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_a_score_in_two_halves_equals_the_loop(layout):
    weight, (q, k, v, _) = problem(width=1)
    y = edge_softmax_attention(Adjacency.from_dense(weight, layout), q[..., 0], k[..., 0], v, 0.3)
    torch.testing.assert_close(y, by_loop(weight, q, k, v, torch.ones(2, 1).double(), 0.3))


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_gradcheck_of_the_operation(kind):
    weight, tensors = problem((2, 4, 3), kind=kind)
    pattern = Adjacency.from_dense(weight, "sparse").pattern
    leaves = [x.flatten(0, 1) if x.dim() == 4 else x for x in tensors]
    leaves = [x.clone().requires_grad_() for x in leaves]

    def function(q, k, v, a=None):
        return attend_edges(q, k, v, a, None, pattern, 0.2, 0.7)

    assert torch.autograd.gradcheck(function, leaves)


@pytest.mark.parametrize("layout", ["dense", "sparse"])
@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_huge_scores_and_empty_rows_are_finite(layout, kind):
    weight, tensors = problem(kind=kind, dtype=torch.float32)
    leaves = [(1e6 * x).requires_grad_() for x in tensors]
    y = attend(Adjacency.from_dense(weight, layout), *leaves)
    gradients = torch.autograd.grad(y.sum(), leaves)
    assert all(torch.isfinite(x).all() for x in (y, *gradients))
    assert not y[-1, -1].any()
    assert float(y.detach().abs().max()) <= float(leaves[2].detach().abs().max()) * 1.001


def test_a_zero_weight_is_no_edge_in_either_storage():
    weight, tensors = problem()
    adjacency = Adjacency.from_dense(weight, "sparse")
    thinned = adjacency.drop_edges(0.5, torch.Generator().manual_seed(0))
    assert int((thinned.weight == 0).sum()) > 5
    torch.testing.assert_close(attend(thinned, *tensors), by_loop(thinned.to_dense(), *tensors))


@pytest.mark.parametrize("layout", ["dense", "sparse"])
def test_dropout_keeps_the_mean_and_drops_anew_each_time(layout):
    torch.manual_seed(0)
    ones = torch.zeros(1, 2000, 1)
    adjacency = Adjacency.from_dense(torch.ones(1, 2000, 20), layout)
    y, again = (
        edge_softmax_attention(adjacency, ones, ones[:, :20], torch.ones(1, 20, 1, 1), dropout=0.5) for _ in "ab"
    )
    assert y.std() > 0.1
    assert abs(float(y.mean()) - 1) < 0.02
    assert not torch.equal(y, again)


def test_dropout_follows_the_seed_of_torch():
    weight, tensors = problem()
    adjacency, ys = Adjacency.from_dense(weight, "sparse"), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        ys.append(attend(adjacency, *tensors, dropout=0.5))
    assert torch.equal(ys[0], ys[1])
    assert not torch.equal(ys[0], ys[2])


def test_all_is_dropped_at_one():
    weight, tensors = problem()
    assert not attend(Adjacency.from_dense(weight, "sparse"), *tensors, dropout=1.0).any()


def test_draws_of_different_seeds_heads_and_edges_are_independent():
    draws = torch.stack([kept(torch.arange(20_000), 2, 0.5, seed, torch.float64) for seed in (0, 1, 77)]).transpose(
        1, 2
    )
    draws = torch.cat([draws.flatten(0, 1), draws.flatten(0, 1).roll(1, 1)])  # each also beside its neighbour
    off_diagonal = torch.corrcoef(draws) - torch.eye(len(draws))
    assert off_diagonal.abs().max() < 0.03  # four standard errors


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_the_operation_passes_opcheck(kind):
    weight, tensors = problem(kind=kind)
    pattern = Adjacency.from_dense(weight, "sparse").pattern
    q, k, v, *a = (x.flatten(0, 1).requires_grad_() if x.dim() == 4 else x.requires_grad_() for x in tensors)
    transposed, order = pattern.transpose
    a, seed = a[0] if a else None, torch.tensor(5)
    backward = [transposed.crow, transposed.col, order]
    arguments = (q, k, v, a, None, pattern.crow, pattern.col, backward, seed, kind, 0.2, 0.5, 0.3)
    torch.library.opcheck(_attend, arguments)


def test_compiles_without_a_break():
    weight, tensors = problem()
    pattern = Adjacency.from_dense(weight, "sparse").pattern
    leaves = [x.flatten(0, 1).requires_grad_() if x.dim() == 4 else x.requires_grad_() for x in tensors]
    assert pattern.transpose  # sorted before, as a training loop has it from the first epoch on

    def function(q, k, v, a):
        return attend_edges(q.sin(), k, v, a, None, pattern).cos()

    compiled = torch.compile(function, backend="aot_eager", fullgraph=True)
    results = [(y, *torch.autograd.grad(y.sum(), leaves)) for y in (function(*leaves), compiled(*leaves))]
    for eager, graph in zip(*results, strict=True):
        torch.testing.assert_close(graph, eager)


class Largest(TorchDispatchMode):
    """Watches for the largest tensor that an operation of torch returns in memory that was not there before."""

    def __init__(self, *known):
        super().__init__()
        self.numel, self.known = 0, {x.data_ptr() for x in known}

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for x in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(x, torch.Tensor) and x.data_ptr() not in self.known:
                self.numel = max(self.numel, x.numel())
        return result


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_nothing_as_large_as_the_edges_is_stored(kind):
    nodes, degree, heads, width = 300, 100, 2, 4
    weight = (torch.rand(1, nodes, nodes) < degree / nodes).float()
    adjacency = Adjacency.from_dense(weight, "sparse")
    assert adjacency.pattern.transpose
    leaves = [torch.randn(1, nodes, heads, width, requires_grad=True) for _ in "qkv"]
    leaves += [torch.randn(heads, width, requires_grad=True)] if kind == "additive" else []
    with Largest(adjacency.weight) as watch:
        attend(adjacency, *leaves, dropout=0.2).square().sum().backward()
    assert 0 < watch.numel <= nodes * heads * width < len(adjacency.pattern.col)


def test_types_of_autocast_are_promoted():
    weight, (q, k, v, a) = problem(dtype=torch.float32)
    y = attend(Adjacency.from_dense(weight, "sparse"), q.bfloat16(), k.bfloat16(), v, a)
    torch.testing.assert_close(y, attend(Adjacency.from_dense(weight, "sparse"), q, k, v, a), atol=0.2, rtol=0.1)


def test_half_precision_takes_the_plain_twin():
    weight, tensors = problem(dtype=torch.float32)
    half = [x.bfloat16().requires_grad_() for x in tensors]
    adjacency = Adjacency.from_dense(weight, "sparse")
    y = attend(adjacency, *half)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), attend(adjacency, *tensors), atol=0.3, rtol=0.1)
    assert all(torch.isfinite(x).all() for x in torch.autograd.grad(y.sum(), half))


def test_a_row_without_an_edge_has_a_finite_normaliser():
    crow, col, one = torch.tensor([0, 0, 1], dtype=torch.int32), torch.zeros(1, dtype=torch.int32), torch.ones(2, 1, 1)
    y, lse = attend_reference(one, one[:1], one[:1], one[0], None, crow, col, "additive", 0.2, 1.0, 0.0, 0)
    assert y.flatten().tolist() == [0, 1]
    assert lse.flatten().tolist() == [0, 2]


def test_errors_at_the_door():
    weight, (q, k, v, a) = problem()
    adjacency = Adjacency.from_dense(weight)
    with pytest.raises(ShapeMismatch, match="k must"):
        attend(adjacency, q, k[:, 1:], v)
    with pytest.raises(ShapeMismatch, match="a must"):
        attend(adjacency, q, k, v, a[:1])
    with pytest.raises(ShapeMismatch, match="source_score"):
        edge_softmax_attention(adjacency, q[..., 0], k[:, 1:, :, 0], v)
    with pytest.raises(NonFinite, match="v must"):
        attend(adjacency, q, k, v / 0, a)
    with pytest.raises(InvalidOption, match="dropout"):
        attend(adjacency, q, k, v, dropout=1.5)
