from __future__ import annotations

import pytest
import torch
from torch import nn

from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.losses.grad_norm import GradNormWeighting


def problem(scale: float = 10.0):
    """Two losses through one parameter, one of which pulls `scale` times as hard."""
    theta = nn.Parameter(torch.ones(3))
    data = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0))
    return theta, {"a": (data[0] @ theta - 1).square(), "b": scale * (data[0] @ theta - 1).square()}


def test_the_total_is_the_weighted_mean_at_first():
    theta, losses = problem()
    total, weights = GradNormWeighting(["a", "b"]).eval()(losses, theta)
    torch.testing.assert_close(total, losses["a"].mean() + losses["b"].mean())
    assert {name: float(w) for name, w in weights.items()} == {"a": 1.0, "b": 1.0}


def test_only_the_balance_moves_the_weights_and_only_the_losses_move_the_network():
    theta, losses = problem()
    weighting = GradNormWeighting(["a", "b"])
    total, _ = weighting(losses, theta)
    total.backward()
    alone, other = problem()
    (other["a"].mean() + other["b"].mean()).backward()
    torch.testing.assert_close(theta.grad, alone.grad)
    assert weighting.log_weight.grad.abs().min() > 0


def test_pulls_become_alike():
    weighting = GradNormWeighting(["a", "b"], alpha=0.0)
    optimiser = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for _ in range(200):
        theta, losses = problem(scale=3.0)
        optimiser.zero_grad()
        weighting(losses, theta)[0].backward()
        optimiser.step()
    weight = weighting.weights().detach()
    torch.testing.assert_close(weight.sum(), torch.tensor(2.0))
    assert float(weight[0] / weight[1]) == pytest.approx(3.0, rel=0.1)  # w_a G_a = w_b G_b


def test_a_modality_that_nobody_has_takes_no_part():
    theta, losses = problem()
    weighting = GradNormWeighting(["a", "b"])
    present = {"a": torch.ones(8, dtype=torch.bool), "b": torch.zeros(8, dtype=torch.bool)}
    total, _ = weighting(losses, theta, present)
    torch.testing.assert_close(total, losses["a"].mean())
    assert weighting.first[1] == 0


def test_errors_at_the_door():
    with pytest.raises(InvalidOption):
        GradNormWeighting([])
    with pytest.raises(InvalidOption, match="alpha"):
        GradNormWeighting(["a"], alpha=-1)
    with pytest.raises(MissingModality):
        GradNormWeighting(["a", "b"])({"a": torch.ones(2)}, torch.ones(1))
