"""Softmax and power mean equal numpy loops; their limits are the mean and the maximum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv.aggregation import MessageNorm, PowerMeanAggregation, SoftmaxAggregation


def stack():
    """Pattern of two graphs of five nodes, two of them without neighbours, messages, and which edges are edges."""
    torch.manual_seed(0)
    weight = (torch.rand(2, 5, 5) < 0.6).double()
    weight[0, 0] = weight[1, 4] = 0.0
    pattern = Adjacency.from_dense(weight, "sparse").pattern
    message = torch.rand(len(pattern.col), 3, dtype=torch.float64) * 3 + 1e-3
    return message, pattern, torch.rand(len(pattern.col)) < 0.8


def loop(message, pattern, edge, of_neighbours):
    """Apply a function of (n, D) to the messages of each node that has some."""
    y, row = np.zeros((10, 3)), pattern.row.numpy()
    for r in range(10):
        mine = np.flatnonzero((row == r) & edge.numpy())
        if len(mine):
            y[r] = of_neighbours(message.detach().numpy()[mine])
    return y


@pytest.mark.parametrize("t", [0.0, 0.1, 1.0, -2.0])
def test_softmax_is_that_of_a_loop(t):
    def expected(m):
        return (np.exp(t * m) / np.exp(t * m).sum(0) * m).sum(0)

    inputs = stack()
    np.testing.assert_allclose(SoftmaxAggregation(t)(*inputs).numpy(), loop(*inputs, expected), atol=1e-12)


@pytest.mark.parametrize("p", [1.0, 0.5, 3.0, -1.0])
@pytest.mark.parametrize("learn", [True, False])
def test_power_mean_is_that_of_a_loop(p, learn):
    inputs = stack()
    y = PowerMeanAggregation(p, learn).double()(*inputs).detach().numpy()
    np.testing.assert_allclose(y, loop(*inputs, lambda m: (m**p).mean(0) ** (1 / p)), atol=1e-12)


def test_limits_are_the_mean_and_the_maximum():
    inputs = stack()
    np.testing.assert_allclose(SoftmaxAggregation(0.0)(*inputs), loop(*inputs, lambda m: m.mean(0)), atol=1e-12)
    largest = loop(*inputs, lambda m: m.max(0))
    np.testing.assert_allclose(SoftmaxAggregation(1e6)(*inputs), largest, atol=1e-9)
    np.testing.assert_allclose(PowerMeanAggregation(1.0)(*inputs), loop(*inputs, lambda m: m.mean(0)), atol=1e-12)


@pytest.mark.parametrize(
    ("made", "name"), [(SoftmaxAggregation(0.7, True), "t"), (PowerMeanAggregation(2.0, True), "p")]
)
def test_what_is_learned_gets_a_gradient(made, name):
    message, pattern, edge = stack()

    def of(message, learned):
        return torch.func.functional_call(made, {name: learned}, (message, pattern, edge))

    learned = made.double().get_parameter(name).detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(of, (message.requires_grad_(), learned))


def test_message_norm_gives_a_message_the_length_of_the_node():
    x, message = torch.randn(4, 3).double(), torch.randn(4, 2).double()
    layer = MessageNorm(learn_scale=True).double()
    y = layer(x, message)
    torch.testing.assert_close(y.norm(dim=1), x.norm(dim=1))
    torch.testing.assert_close(y * message.norm(dim=1, keepdim=True), message * x.norm(dim=1, keepdim=True))
    silent = layer(torch.zeros(4, 3).double().requires_grad_(), torch.zeros(4, 2).double().requires_grad_())
    silent.sum().backward()
    assert torch.equal(silent, torch.zeros(4, 2))
    assert torch.isfinite(layer.scale.grad).all()


def test_a_power_of_zero_is_refused():
    with pytest.raises(InvalidOption, match="zero"):
        PowerMeanAggregation(0.0)
