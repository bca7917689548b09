"""The weighted mean, and the weights that are learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from graphfuse.errors import InvalidOption
from graphfuse.fusion.output.weighted import softmax_weights, weighted


def panel(n=200, seed=0):
    """A good model, a poor one, and one that only knows noise; a third lacks the first."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    logits = rng.normal(size=(n, 3, 3))
    logits[np.arange(n), 0, y] += 2.5
    logits[np.arange(n), 1, y] += 0.8
    present = np.ones((n, 3), bool)
    present[::3, 0] = False
    return torch.tensor(logits).softmax(-1), torch.tensor(present), torch.tensor(y)


def test_weights_are_renormalised_over_who_is_there():
    p, present, _ = panel(4)
    w = np.array([0.5, 0.25, 0.25])
    fused = weighted(p, present, weights=w)
    np.testing.assert_allclose(fused[1], (w[:, None] * p[1].numpy()).sum(0))
    np.testing.assert_allclose(fused[0], p[0, 1:].mean(0))


def test_learned_weights_are_those_that_another_optimiser_finds():
    p, present, y = panel()

    def loss(a):
        w = np.exp(a) * present.numpy()
        mixed = (w[..., None] * p.numpy()).sum(1) / w.sum(1, keepdims=True)
        return -np.log(mixed[np.arange(len(y)), y]).mean() + (a**2).sum() / (2 * len(y))

    found = minimize(loss, np.zeros(3), tol=1e-10).x
    np.testing.assert_allclose(softmax_weights(p, present, y), np.exp(found) / np.exp(found).sum(), atol=1e-5)


def test_better_models_weigh_more_and_a_narrow_prior_keeps_them_equal():
    p, present, y = panel()
    weights = softmax_weights(p, present, y)
    assert weights.dtype == torch.float64
    assert weights[0] > weights[1] > weights[2]
    torch.testing.assert_close(weights.sum(), torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(
        softmax_weights(p, present, y, spread=1e-3), torch.full((3,), 1 / 3).double(), atol=1e-3, rtol=0
    )


def test_people_without_anything_and_values_of_the_missing_do_not_matter():
    p, present, y = panel()
    weights = softmax_weights(p, present, y)
    spoilt = torch.cat([torch.where(present[..., None], p, torch.nan), torch.full((1, 3, 3), torch.inf)])
    more = torch.cat([present, torch.zeros(1, 3, dtype=torch.bool)])
    assert torch.equal(weights, softmax_weights(spoilt, more, torch.cat([y, torch.tensor([0])])))


def test_weights_can_be_learned_where_gradients_are_off():
    p, present, y = panel()
    with torch.no_grad():
        assert torch.equal(softmax_weights(p, present, y), softmax_weights(p, present, y))
    with pytest.raises(InvalidOption, match="number of people"):
        softmax_weights(p, torch.zeros_like(present), y)
