"""The CPU kernels of attention against the plain twin, and the bits they return."""

from __future__ import annotations

import pytest
import torch

from graphfuse.kernels import Adjacency
from graphfuse.kernels.attention_cpu import BLOCK, attend_backward, attend_forward
from graphfuse.kernels.attention_reference import attend_backward_reference, attend_reference

SHAPES = [(1, 1, 1), (1, 17, 5), (3, 5, 17), (2, 40, 40)]  # graphs, targets, sources
SIZES = [(1, 1, 3), (3, 1, 8), (2, 7, 33), (1, 32, 16)]  # heads, width of the scores, width of the values


@pytest.mark.parametrize("kind", ["additive", "dot"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("masked", [False, True])
def test_output_and_gradients_equal_the_plain_twin(kind, shape, sizes, dropout, masked):
    pattern, tensors, edge, grad = problem(kind, shape, sizes, 0.3)
    edge = edge if masked else None
    settings = (kind, 0.2, 0.5, dropout, 5)
    ours = both_ways(attend_forward, attend_backward, pattern, tensors, edge, grad, settings)
    plain = both_ways(attend_reference, attend_backward_reference, pattern, tensors, edge, grad, settings)
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", ["additive", "dot"])
@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
def test_gradients_equal_autograd_through_the_plain_twin(kind, density):
    pattern, tensors, _, grad = problem(kind, (2, 30, 21), (2, 5, 4), density)
    settings = (kind, 0.1, 0.5, 0.2, 9)
    leaves = [x.requires_grad_() for x in tensors if x is not None]
    y, _ = attend_reference(*tensors, None, pattern.crow, pattern.col, *settings)
    gradients = torch.autograd.grad(y, leaves, grad)
    ours = both_ways(attend_forward, attend_backward, pattern, [*leaves, None][:4], None, grad, settings)
    for one, other in zip(ours[2:], gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_float32_equals_float64(kind):
    pattern, tensors, _, grad = problem(kind, (2, 50, 50), (2, 16, 16), 0.3)
    settings = (kind, 0.2, 0.25, 0.0, 0)
    exact = both_ways(attend_forward, attend_backward, pattern, tensors, None, grad, settings)
    single = [None if x is None else x.float() for x in tensors]
    ours = both_ways(attend_forward, attend_backward, pattern, single, None, grad.float(), settings)
    for one, other in zip(ours, exact, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_same_bits_for_every_number_of_threads(kind):
    pattern, tensors, edge, grad = problem(kind, (3, 2 * BLOCK // 3 + 1, 150), (2, 8, 8), 0.1)
    tensors, grad = [None if x is None else x.float() for x in tensors], grad.float()
    runs, threads = [], torch.get_num_threads()
    try:
        for number in (1, 2, 3, 1):
            torch.set_num_threads(number)
            settings = (kind, 0.2, 0.5, 0.1, 3)
            runs.append(both_ways(attend_forward, attend_backward, pattern, tensors, edge, grad, settings))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(runs[0], run, strict=True))


@pytest.mark.parametrize("kind", ["additive", "dot"])
def test_poisoned_memory_does_not_come_through(kind):
    pattern, tensors, _, grad = problem(kind, (2, 50, 50), (2, 8, 8), 0.02)
    for _ in range(20):
        spoil = [torch.full((100 * size,), torch.nan, dtype=torch.float64) for size in (2, 16) for _ in range(8)]
        del spoil
        results = both_ways(attend_forward, attend_backward, pattern, tensors, None, grad, (kind, 0.2, 0.5, 0.0, 0))
        assert all(torch.isfinite(x).all() for x in results)


def test_sources_without_an_edge_are_not_read():
    pattern, (q, k, v, a), _, _ = problem("additive", (1, 40, 40), (2, 4, 4), 0.02)
    unread = torch.ones(40, dtype=torch.bool)
    unread[pattern.col.long()] = False
    assert unread.any()
    settings = (None, pattern.crow, pattern.col, "additive", 0.2, 1.0, 0.0, 0)
    clean, _ = attend_forward(q, k, v, a, *settings)
    poisoned = [x.masked_fill(unread[:, None, None], torch.nan) for x in (k, v)]
    assert torch.equal(attend_forward(q, *poisoned, a, *settings)[0], clean)


def both_ways(forward, backward, pattern, tensors, edge, grad, settings):
    """Output, normaliser and gradients of one of the twins."""
    tensors = [None if x is None else x.detach() for x in tensors]
    transposed, order = pattern.transpose
    y, lse = forward(*tensors, edge, pattern.crow, pattern.col, *settings)
    where = (pattern.crow, pattern.col, transposed.crow, transposed.col, order)
    gradients = backward(grad, y, lse, *tensors, edge, *where, *settings)
    return y, lse, *(x for x in gradients if x is not None)


def problem(kind, shape, sizes, density):
    """A pattern, q, k, v and a, a mask of edges and an output gradient in float64."""
    generator = torch.Generator().manual_seed(1)
    (graphs, targets, sources), (heads, width, values) = shape, sizes
    edge = (torch.rand(shape, generator=generator) < density).float()
    pattern = Adjacency.from_dense(edge, "sparse").pattern
    forms = [
        (graphs * targets, width),
        (graphs * sources, width),
        (graphs * sources, values),
        (graphs * targets, values),
    ]
    q, k, v, grad = (torch.randn(n, heads, j, generator=generator, dtype=torch.float64) for n, j in forms)
    a = torch.randn(heads, width, generator=generator, dtype=torch.float64) if kind == "additive" else None
    mask = (torch.rand(len(pattern.col), generator=generator) < 0.8).to(torch.uint8)
    return pattern, [q, k, v, a], mask, grad
