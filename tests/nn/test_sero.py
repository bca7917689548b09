"""The squeeze-excitation readout against its formula."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu

from graphfuse.errors import ShapeMismatch
from graphfuse.nn.sero import SERO

NODES = torch.tensor([[True] * 5, [True, False, True, False, False], [False] * 5])


def features():
    return torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))


def readout(dropout=0.0):
    torch.manual_seed(0)
    return SERO(4, 5, upscale=1.5, dropout=dropout)


def test_is_its_formula():
    layer, x = readout().eval(), features()
    squeezed = x[1, [0, 2]].mean(0)
    hidden = gelu((layer.embed.weight @ squeezed + layer.embed.bias) / (1 + layer.norm.eps) ** 0.5)
    assert len(hidden) == 6
    alpha = (layer.attend.weight @ hidden + layer.attend.bias).sigmoid()[[0, 2]]
    torch.testing.assert_close(layer.weights(x, NODES)[1, [0, 2]], alpha)
    torch.testing.assert_close(layer(x, NODES)[1], (alpha[:, None] * x[1, [0, 2]]).mean(0))


def test_unusable_nodes_change_no_bit_and_an_empty_graph_no_statistic():
    results = []
    for fill in (0.0, torch.nan, torch.inf, 7.0):
        layer, x = readout(), torch.where(NODES[..., None], features(), fill).requires_grad_()
        z = layer(x, NODES)
        z.square().sum().backward()
        results.append([z.detach(), x.grad, layer.norm.running_mean, *(p.grad for p in layer.parameters())])
    assert not results[0][0][2].any()
    assert not results[0][1][~NODES].any()
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
    two = readout()
    two(features()[:2], NODES[:2])
    assert torch.equal(two.norm.running_mean, results[0][2])


def test_gradients_reach_every_parameter():
    layer = readout()
    layer(features()).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for name, parameter in layer.named_parameters() if name != "embed.bias")


def test_renumbered_nodes_and_weights_give_the_same_vector():
    layer, other, order = readout(), readout(), torch.randperm(5)
    other.attend.weight.data, other.attend.bias.data = layer.attend.weight[order], layer.attend.bias[order]
    torch.testing.assert_close(other(features()[:, order], NODES[:, order]), layer(features(), NODES))


def test_weights_are_dropped_in_training_alone():
    layer = readout(dropout=0.5)
    assert not torch.equal(layer(features()), layer(features()))
    layer.eval()
    assert torch.equal(layer(features()), layer(features()))


def test_another_number_of_regions_is_refused():
    with pytest.raises(ShapeMismatch, match="x must have shape"):
        readout()(features()[:, :4])
