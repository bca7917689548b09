"""The soft threshold on distances is its formula."""

from __future__ import annotations

import torch
from scipy.spatial.distance import cdist
from scipy.special import expit

from graphfuse.nn.structure.continuous import ContinuousDGM


def test_weights_are_a_sigmoid_of_threshold_minus_distance():
    torch.manual_seed(0)
    x, learner = torch.randn(1, 5, 3, dtype=torch.float64), ContinuousDGM(threshold=-2.0, temperature=3.0).double()
    expected = expit(3.0 * (2.0 - cdist(x[0], x[0], "sqeuclidean")))
    torch.testing.assert_close(learner(x)[0].detach(), torch.as_tensor(expected))


def test_a_high_temperature_makes_it_a_ball_of_radius_theta():
    torch.manual_seed(0)
    x = torch.randn(1, 30, 2)
    weight = ContinuousDGM(threshold=1.0, temperature=1e6)(x)[0]
    assert torch.equal(weight > 0.5, torch.cdist(x, x)[0] < 1.0)
