"""SpMM over block CSR: its twin, its gradients, its memory."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from graphfuse.kernels import Adjacency, spmm, spmm_reference


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 17, 5), (3, 5, 17), (7, 31, 31)])
@pytest.mark.parametrize("width", [1, 3, 33])
@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
def test_output_and_gradients_equal_the_plain_twin(shape, width, density):
    pattern, weight, x, grad = problem(shape, width, density)
    results = []
    for function in (spmm, spmm_reference):
        w, v = weight.clone().requires_grad_(), x.clone().requires_grad_()
        y = function(w, v, pattern)
        y.backward(grad)
        results.append((y.detach(), w.grad, v.grad))
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain)


def test_gradcheck():
    pattern, weight, x, _ = problem((2, 4, 3), 2, 0.5)
    assert torch.autograd.gradcheck(lambda w, v: spmm(w, v, pattern), (weight.requires_grad_(), x.requires_grad_()))


def test_rows_without_an_edge_read_nothing():
    pattern, weight, x, _ = problem((1, 40, 40), 8, 0.02)
    unread = torch.ones(40, dtype=torch.bool)
    unread[pattern.col.long()] = False
    assert unread.any()
    clean = spmm(weight, x, pattern)
    poisoned = x.masked_fill(unread[:, None], torch.nan)
    assert torch.equal(spmm(weight, poisoned, pattern), clean)


def test_poisoned_memory_does_not_come_through():
    pattern, weight, x, grad = problem((2, 50, 50), 16, 0.02)
    weight, x = weight.requires_grad_(), x.requires_grad_()
    for _ in range(20):
        spoil = [torch.full((100, 16), torch.nan, dtype=torch.float64) for _ in range(8)]
        spoil += [torch.full((len(weight),), torch.nan, dtype=torch.float64) for _ in range(8)]
        del spoil
        y = spmm(weight, x, pattern)
        gradients = torch.autograd.grad(y, (weight, x), grad)
        assert all(torch.isfinite(tensor).all() for tensor in (y, *gradients))


def test_same_bits_every_run():
    pattern, weight, x, grad = problem((3, 64, 64), 32, 0.2)
    weight, x = weight.float().requires_grad_(), x.float().requires_grad_()
    runs = []
    for _ in range(3):
        y = spmm(weight, x, pattern)
        runs.append((y, *torch.autograd.grad(y, (weight, x), grad.float())))
    assert all(torch.equal(a, b) for run in runs[1:] for a, b in zip(runs[0], run, strict=True))


def test_twenty_thousand_nodes_never_become_a_square():
    nodes, neighbours, width = 20_000, 10, 16  # dense: 1.6 GB
    source = torch.randint(nodes, (nodes * neighbours,))
    edge_index = torch.stack([source, torch.arange(nodes).repeat_interleave(neighbours)])
    weight = torch.rand(nodes * neighbours, requires_grad=True)
    x = torch.randn(1, nodes, width, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        adjacency = Adjacency.from_edge_index(edge_index, weight, num_nodes=nodes)
        (adjacency.normalised() @ x).square().mean().backward()
    assert adjacency.layout == "sparse"
    assert weight.grad.any()
    assert x.grad.any()
    largest = max(event.cpu_memory_usage for event in record.events())
    everything = sum(max(event.self_cpu_memory_usage, 0) for event in record.events())
    assert largest < 50e6
    assert 1e6 < everything < 300e6


def problem(shape, width, density):
    """A pattern, weights, features and an output gradient in float64."""
    generator = torch.Generator().manual_seed(1)
    dense = torch.randn(shape, generator=generator, dtype=torch.float64)
    adjacency = Adjacency.from_dense(dense * (torch.rand(shape, generator=generator) < density), "sparse")
    rows, cols = adjacency.pattern.size
    x = torch.randn(cols, width, generator=generator, dtype=torch.float64)
    grad = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    return adjacency.pattern, adjacency.weight, x, grad
