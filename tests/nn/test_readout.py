"""Readouts see usable nodes and nothing else."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.nn.readout import READOUTS, AttentionReadout, make_readout, max_readout, mean_readout

NODES = torch.tensor([[True] * 5, [True, False, True, False, False], [False] * 5])


def features():
    torch.manual_seed(0)
    return torch.randn(3, 5, 4) - 3.0  # negative, so that a zero could win a maximum


def test_mean_and_max_over_usable_nodes():
    x = features()
    assert torch.equal(max_readout(x, NODES)[1], x[1, [0, 2]].amax(0))
    torch.testing.assert_close(mean_readout(x, NODES)[1], x[1, [0, 2]].mean(0))
    both, _ = make_readout("mean-max", 4)
    assert torch.equal(both(x, NODES), torch.cat([max_readout(x, NODES), mean_readout(x, NODES)], 1))


def test_attention_is_its_formula():
    readout, x = AttentionReadout(4), features()
    first, _, last = readout.score
    score = (x[1, [0, 2]] @ first.weight.T + first.bias).tanh() @ last.weight[0]
    torch.testing.assert_close(readout(x, NODES)[1], score.softmax(0) @ x[1, [0, 2]])
    torch.testing.assert_close(readout.weights(x, NODES).sum(1), torch.tensor([1.0, 1.0, 0.0]))


def test_flatten_keeps_each_node_in_its_place():
    readout, width = make_readout("flatten", 4, num_nodes=5)
    flat = readout(features(), NODES)
    assert flat.shape == (3, width)
    assert torch.equal(flat[1].view(5, 4), features()[1] * NODES[1, :, None])
    with pytest.raises(InvalidOption, match="num_nodes"):
        make_readout("flatten", 4)


@pytest.mark.parametrize("name", sorted(READOUTS))
def test_unusable_nodes_change_no_bit(name):
    readout, width = make_readout(name, 4, num_nodes=5)
    results = []
    for fill in (0.0, torch.nan, torch.inf, 7.0):
        x = torch.where(NODES[..., None], features(), fill).requires_grad_()
        readout.zero_grad()
        z = readout(x, NODES)
        z.square().sum().backward()
        results.append([z.detach(), x.grad, *(p.grad.clone() for p in readout.parameters())])
    assert results[0][0].shape == (3, width)
    assert not results[0][0][2].any()  # no usable node
    assert not results[0][1][~NODES].any()
    assert all(torch.isfinite(tensor).all() for tensor in results[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("name", sorted(READOUTS))
def test_none_means_all_nodes(name):
    readout, _ = make_readout(name, 4, num_nodes=5)
    torch.testing.assert_close(readout(features()), readout(features(), torch.ones(3, 5, dtype=torch.bool)))


@pytest.mark.parametrize("name", sorted(set(READOUTS) - {"flatten"}))
def test_the_order_of_nodes_does_not_matter(name):
    readout, _ = make_readout(name, 4)
    order = torch.randperm(5)
    torch.testing.assert_close(readout(features()[:, order], NODES[:, order]), readout(features(), NODES))


def test_errors_at_the_door():
    with pytest.raises(InvalidOption, match="Did you mean 'mean'"):
        make_readout("mena", 4)
    with pytest.raises(ShapeMismatch, match="nodes"):
        mean_readout(features(), NODES[:, :4])
