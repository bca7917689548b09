"""Weights by precision."""

from __future__ import annotations

import numpy as np
import torch

from graphfuse.fusion.output.precision import precision


def test_the_weights_are_inverse_variances():
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64).repeat(2, 1, 1)
    variance = np.array([[0.1, 0.4], [0.4, 0.1]])
    fused = precision(p, torch.ones(2, 2, dtype=torch.bool), variance=variance, floor=1e-12)
    np.testing.assert_allclose(fused[:, 0], [0.8 * 0.9 + 0.2 * 0.2, 0.2 * 0.9 + 0.8 * 0.2], rtol=1e-9)


def test_inverse_variances_are_the_weights_of_least_error():
    rng = np.random.default_rng(0)
    truth, widths = rng.uniform(0.3, 0.7, 4000), np.array([0.02, 0.06])
    p = truth[:, None] + widths * rng.normal(size=(4000, 2))
    p = torch.tensor(np.stack([p, 1 - p], -1))
    everyone = torch.ones(4000, 2, dtype=torch.bool)

    def error(variance):
        return float(((precision(p, everyone, variance=variance)[:, 0].numpy() - truth) ** 2).mean())

    assert error(widths**2) < min(error(widths), error(widths**4), error([1.0, 1.0]))
