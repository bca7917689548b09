"""Dropout drops the share it says, keeps the mean, and draws the same for the same seed."""

from __future__ import annotations

import pytest
import torch

from graphfuse.nn.dropout import Dropout, keep_factors


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9])
def test_the_share_that_is_dropped_and_the_mean(p):
    factors = keep_factors((1000, 1001), p, torch.Generator().manual_seed(0))
    assert factors.shape == (1000, 1001)
    assert abs(float((factors == 0).float().mean()) - p) < 4 * (p * (1 - p) / 1e6) ** 0.5 + 1e-5
    assert abs(float(factors.double().mean()) - 1) < 4 * (p / (1 - p) / 1e6) ** 0.5
    assert len(factors.unique()) == 2


def test_neighbours_are_independent():
    kept = (keep_factors((400_000,), 0.5, torch.Generator().manual_seed(1)) > 0).double() - 0.5
    for step in (1, 2, 3, 4, 5):
        assert abs(float((kept[step:] * kept[:-step]).mean())) < 4 * 0.25 / 400_000**0.5


def test_nothing_and_everything():
    assert torch.equal(keep_factors((5,), 0.0), torch.ones(5))
    assert torch.equal(keep_factors((5,), 1.0), torch.zeros(5))


def test_the_seed_decides_and_evaluation_drops_nothing():
    layer, x = Dropout(0.4), torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    first = layer(x)
    torch.manual_seed(0)
    assert torch.equal(first, layer(x))
    (gradient,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(first, x * gradient)
    assert layer.eval()(x) is x
