from __future__ import annotations

import math

import pytest
import torch

from graphfuse.errors import InvalidOption, NonFinite
from graphfuse.losses.modulation import modulation_factors, scale_gradient

Y = torch.tensor([0, 1])


def logits(p: float) -> torch.Tensor:
    """A head that gives the true class the probability p."""
    gap = math.log(p / (1 - p))
    return torch.tensor([[gap, 0.0], [0.0, gap]])


def test_the_leader_is_held_back_by_the_ratio_of_the_probabilities():
    factors = modulation_factors({"a": logits(0.8), "b": logits(0.4)}, Y, alpha=0.5)
    assert float(factors["a"]) == pytest.approx(1 - math.tanh(0.5 * 2))
    assert float(factors["b"]) == 1


def test_of_three_each_is_held_against_the_mean_of_the_others():
    factors = modulation_factors({"a": logits(0.8), "b": logits(0.4), "c": logits(0.6)}, Y)
    assert float(factors["a"]) == pytest.approx(1 - math.tanh(0.5 * 0.8 / 0.5))
    assert float(factors["c"]) == 1  # .6 is the mean of the others


def test_who_lacks_a_modality_does_not_count_and_one_that_nobody_has_is_left_alone():
    present = {"a": torch.tensor([True, False]), "b": torch.tensor([True, True]), "c": torch.zeros(2, dtype=torch.bool)}
    told = {"a": logits(0.8), "b": logits(0.4), "c": torch.full((2, 2), torch.nan)}
    told["a"][1] = torch.nan
    factors = modulation_factors(told, Y, present)
    assert float(factors["a"]) == pytest.approx(1 - math.tanh(1))
    assert float(factors["c"]) == 1


def test_a_gradient_is_scaled_and_the_value_stays():
    z = torch.randn(4, 3, requires_grad=True)
    y = scale_gradient(z, 0.25)
    assert torch.equal(y, z)
    (y * torch.arange(12.0).view(4, 3)).sum().backward()
    torch.testing.assert_close(z.grad, 0.25 * torch.arange(12.0).view(4, 3))


def test_noise_has_the_deviation_asked_for():
    torch.manual_seed(0)
    z, weight = torch.zeros(20_000, requires_grad=True), torch.randn(20_000)
    (scale_gradient(z, 0.5, noise=0.8) * weight).sum().backward()
    assert float((z.grad - 0.5 * weight).std()) == pytest.approx(0.8 * float(weight.std()), rel=0.02)


def test_errors_at_the_door():
    with pytest.raises(InvalidOption, match="alpha"):
        modulation_factors({"a": logits(0.5)}, Y, alpha=-1)
    with pytest.raises(NonFinite):
        modulation_factors({"a": torch.full((2, 2), torch.nan)}, Y)
