"""Squeeze-and-excitation over nodes against its formula."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.nn.node_gate import NodeGate

NODES = torch.tensor([[True] * 6, [True, False, True, False, False, True], [False] * 6])


def features():
    return torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))


def gate(reduction=2):
    torch.manual_seed(0)
    return NodeGate(6, reduction)


def test_is_its_formula():
    layer, x = gate(), features()
    squeezed = torch.where(NODES[1], x[1].mean(1), 0.0)
    hidden = (layer.squeeze.weight @ squeezed + layer.squeeze.bias).relu()
    alpha = torch.where(NODES[1], (layer.excite.weight @ hidden + layer.excite.bias).sigmoid(), 0.0)
    assert len(hidden) == 3
    torch.testing.assert_close(layer.weights(x, NODES)[1], alpha)
    torch.testing.assert_close(layer(x, NODES)[1], alpha[:, None] * x[1])


def test_unusable_nodes_change_no_bit_and_come_out_as_zeros():
    results = []
    for fill in (0.0, torch.nan, torch.inf, 7.0):
        layer, x = gate(), torch.where(NODES[..., None], features(), fill).requires_grad_()
        y = layer(x, NODES)
        y.square().sum().backward()
        results.append([y.detach(), x.grad, *(p.grad for p in layer.parameters())])
    assert not results[0][0][~NODES].any()
    assert not results[0][1][~NODES].any()
    assert all(grad.abs().sum() > 0 for grad in results[0][2:])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_renumbered_nodes_and_weights_give_renumbered_nodes():
    layer, other, order = gate(), gate(), torch.randperm(6)
    other.squeeze.weight.data = layer.squeeze.weight[:, order]
    other.excite.weight.data, other.excite.bias.data = layer.excite.weight[order], layer.excite.bias[order]
    torch.testing.assert_close(other(features()[:, order], NODES[:, order]), layer(features(), NODES)[:, order])


def test_errors_at_the_door():
    with pytest.raises(ShapeMismatch, match="x must have shape"):
        gate()(features()[:, :5])
    with pytest.raises(InvalidOption, match="reduction"):
        NodeGate(6, 0)
    assert NodeGate(3, 16).squeeze.out_features == 1
