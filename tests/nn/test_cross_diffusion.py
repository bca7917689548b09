"""Cross diffusion as a layer equals the numpy iteration, and gradients pass through it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.errors import InvalidOption, MissingModality, NegativeWeights, NonFinite, ShapeMismatch
from graphfuse.nn.cross_diffusion import CrossDiffusion


def networks(m=2, n=8, seed=0):
    torch.manual_seed(seed)
    weight = torch.rand(m, n, n, dtype=torch.float64)
    return (weight + weight.mT) / 2 + torch.eye(n)


def nearest(p, k):
    s = np.zeros_like(p)
    for i, row in enumerate(p):
        chosen = np.argsort(-row)[:k]
        s[i, chosen] = row[chosen] / row[chosen].sum()
    return s


def test_two_steps_equal_the_published_iteration():
    p = [w / w.sum(1, keepdims=True) for w in networks().numpy()]
    p = [(w + w.T) / 2 for w in p]
    s = [nearest(w, 3) for w in p]
    for _ in range(2):
        p = [s[0] @ p[1] @ s[0].T + np.eye(8), s[1] @ p[0] @ s[1].T + np.eye(8)]
    mean = (p[0] + p[1]) / 2
    mean = mean / mean.sum(1, keepdims=True)
    wanted = (mean + mean.T + np.eye(8)) / 2
    np.testing.assert_allclose(CrossDiffusion(neighbours=3, steps=2)(networks()), wanted, atol=1e-12)


@pytest.mark.parametrize("norm", ["b0", "half"])
def test_gradients_are_those_of_finite_differences(norm):
    layer = CrossDiffusion(neighbours=3, steps=2, norm=norm)
    weight = networks(n=5).requires_grad_()
    assert torch.autograd.gradcheck(layer, (weight,))


@pytest.mark.parametrize("norm", ["b0", "half"])
def test_missing_nodes_give_no_bit_to_output_or_gradient(norm):
    layer, present = CrossDiffusion(neighbours=3, norm=norm), torch.ones(2, 8, dtype=torch.bool)
    present[1, 2] = False
    plain = networks().float().requires_grad_()
    spoilt = plain.detach().clone()
    spoilt[1, 2], spoilt[1, :, 2] = torch.nan, torch.nan
    spoilt.requires_grad_()
    outputs = [layer(weight, present) for weight in (plain, spoilt)]
    for output in outputs:
        output.square().sum().backward()
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(plain.grad, spoilt.grad)
    assert not plain.grad[1, 2].any()
    assert plain.grad[0].any()
    assert outputs[0].dtype == torch.float32


def test_renumbered_nodes_give_the_renumbered_network():
    weight, order = networks(), torch.randperm(8)
    layer = CrossDiffusion(neighbours=3)
    torch.testing.assert_close(layer(weight[:, order][:, :, order]), layer(weight)[order][:, order])


def test_stacks_of_subjects_are_fused_one_by_one():
    stack = torch.stack([networks(seed=s) for s in range(3)])
    layer = CrossDiffusion(neighbours=3)
    torch.testing.assert_close(layer(stack)[1], layer(stack[1]))


def test_one_network_diffuses_along_itself():
    got = CrossDiffusion(neighbours=3)(networks(m=1))
    assert got.isfinite().all()
    assert torch.equal(got, got.mT)


def test_what_is_no_stack_of_networks_is_refused():
    layer = CrossDiffusion(neighbours=3)
    with pytest.raises(ShapeMismatch, match="weight"):
        layer(torch.rand(2, 3, 4))
    with pytest.raises(ShapeMismatch, match="present"):
        layer(networks(), torch.ones(3, 8))
    with pytest.raises(NegativeWeights):
        layer(-networks())
    with pytest.raises(NonFinite):
        layer(networks() * torch.nan)
    with pytest.raises(MissingModality, match="8 are in none"):
        layer(networks(), torch.zeros(2, 8))
    with pytest.raises(InvalidOption, match="norm"):
        CrossDiffusion(norm="full")
