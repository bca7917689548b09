from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import cross_entropy, linear

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.nn.heads.variational import VariationalLinear, gaussian_kl


def layer(**options):
    torch.manual_seed(0)
    return VariationalLinear(3, 2, **options)


def test_the_divergence_is_torchs_over_the_number_of_subjects():
    head = layer(prior_scale=0.5)
    expected = kl_divergence(Normal(head.mean, head.scale), Normal(0.0, 0.5)).sum() / 40
    torch.testing.assert_close(head.penalty(40), expected)
    torch.testing.assert_close(gaussian_kl(torch.zeros(2), torch.full((2,), 3.0), 3.0), torch.tensor(0.0))


def test_it_starts_at_the_scale_asked_for():
    torch.testing.assert_close(layer(initial_scale=0.2).scale, torch.full((2, 3), 0.2))


def test_in_evaluation_it_is_the_linear_layer_of_the_means():
    head, x = layer().eval(), torch.randn(4, 3)
    assert torch.equal(head(x), linear(x, head.mean, head.bias))


def test_in_training_the_draws_have_the_mean_and_the_variance_of_the_weights():
    head, x = layer(initial_scale=0.5), torch.tensor([[1.0, -2.0, 0.5]])
    y = torch.cat([head(x) for _ in range(4000)]).detach()
    expected = linear(x, head.mean, head.bias)[0]
    spread = 0.5 * x.square().sum().sqrt()
    assert ((y.mean(0) - expected).abs() < 5 * spread / 4000**0.5).all()  # five standard errors
    torch.testing.assert_close(y.std(0), spread.expand(2), rtol=0.06, atol=0)


def test_people_of_one_batch_get_draws_that_are_uncorrelated():
    head, x = layer(initial_scale=0.5), torch.tensor([[1.0, -2.0, 0.5]]).repeat(2, 1)
    y = torch.stack([head(x) for _ in range(3000)]).detach()[..., 0]  # (3000, 2)
    assert torch.corrcoef(y.T)[0, 1].abs() < 0.1


def test_the_same_seed_gives_the_same_bits():
    head, x = layer(), torch.ones(4, 3)
    torch.manual_seed(7)
    first = head(x)
    torch.manual_seed(7)
    assert torch.equal(head(x), first)


def test_gradients_equal_differences_and_reach_every_parameter():
    head = layer().double()
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)

    def loss(x, mean, rho, bias):
        torch.manual_seed(1)
        own = {"mean": mean, "rho": rho, "bias": bias}
        return torch.func.functional_call(head, own, x).square().sum()

    assert torch.autograd.gradcheck(loss, (x, head.mean, head.rho, head.bias))
    assert torch.autograd.gradcheck(
        lambda m, r: gaussian_kl(m, torch.nn.functional.softplus(r), 2.0), (head.mean, head.rho)
    )
    (cross_entropy(head(x), torch.tensor([0, 1, 0, 1])) + head.penalty(4)).backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_with_more_subjects_the_data_count_for_more():
    assert layer().penalty(10) > layer().penalty(1000)


def test_a_scale_that_underflows_is_no_nan():
    head = layer()
    with torch.no_grad():
        head.rho.fill_(-200.0)
    head.penalty(10).backward()
    assert torch.isfinite(head.penalty(10))
    assert torch.isfinite(head.rho.grad).all()


def test_odd_options_and_nan_are_refused():
    with pytest.raises(InvalidOption, match="prior_scale"):
        layer(prior_scale=0)
    with pytest.raises(InvalidOption, match="num_subjects"):
        layer().penalty(0)
    with pytest.raises(NonFinite, match="x must be finite"):
        layer()(torch.full((1, 3), float("nan")))
    with pytest.raises(ShapeMismatch):
        layer()(torch.ones(1, 4))
