"""The graph attention readout against its formula, with the root inside the sigmoid."""

from __future__ import annotations

import torch

from graphfuse.nn.garo import GARO

NODES = torch.tensor([[True] * 5, [True, False, True, False, False], [False] * 5])


def features():
    return torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))


def readout(dropout=0.0):
    torch.manual_seed(0)
    return GARO(4, upscale=4.0, dropout=dropout)


def test_is_its_formula():
    layer, x = readout(), features()
    usable = x[1, [0, 2]]
    query = layer.embed_query.weight @ usable.mean(0) + layer.embed_query.bias
    key = usable @ layer.embed_key.weight.T + layer.embed_key.bias
    alpha = (key @ query / 16**0.5).sigmoid()
    torch.testing.assert_close(
        layer.weights(x, NODES)[1], torch.stack([alpha[0], *[x.new_zeros(())], alpha[1], *[x.new_zeros(())] * 2])
    )
    torch.testing.assert_close(layer(x, NODES)[1], (alpha[:, None] * usable).mean(0))


def test_a_weight_may_come_near_one_where_the_release_stays_under_the_root():
    layer = readout()
    for linear in (layer.embed_query, layer.embed_key):
        linear.bias.data.fill_(3.0)
    assert layer.weights(features()).max() > 0.9  # sigmoid(.) / sqrt(16) <= 0.25


def test_the_order_of_nodes_does_not_matter():
    layer, order = readout(), torch.randperm(5)
    torch.testing.assert_close(layer(features()[:, order], NODES[:, order]), layer(features(), NODES))


def test_unusable_nodes_change_no_bit():
    results = []
    for fill in (0.0, torch.nan, torch.inf, 7.0):
        layer, x = readout(), torch.where(NODES[..., None], features(), fill).requires_grad_()
        z = layer(x, NODES)
        z.square().sum().backward()
        results.append([z.detach(), x.grad, *(p.grad for p in layer.parameters())])
    assert not results[0][0][2].any()
    assert not results[0][1][~NODES].any()
    assert all(grad.abs().sum() > 0 for grad in results[0][2:])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_weights_are_dropped_in_training_alone():
    layer = readout(dropout=0.5)
    assert not torch.equal(layer(features()), layer(features()))
    layer.eval()
    assert torch.equal(layer(features()), layer(features()))
