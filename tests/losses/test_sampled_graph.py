from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.losses.sampled_graph import SampledGraphLoss

LOG_P = torch.tensor([[-1.0, -3.0], [-2.0, -4.0]])
CORRECT, ROWS = torch.tensor([True, False]), torch.tensor([2, 0])


def test_it_is_the_reward_times_the_mean_log_probability():
    loss = SampledGraphLoss(3)
    # rewards 0.5 - 1 and 0.5 - 0; means -2 and -3
    assert loss(LOG_P, CORRECT, ROWS).item() == pytest.approx((-0.5 * -2 + 0.5 * -3) / 2)


def test_the_baseline_of_each_node_follows_how_often_it_was_right():
    loss = SampledGraphLoss(3, momentum=0.9)
    loss(LOG_P, CORRECT, ROWS)
    torch.testing.assert_close(loss.baseline, torch.tensor([0.45, 0.5, 0.55]))
    loss.eval()(LOG_P, CORRECT, ROWS)
    torch.testing.assert_close(loss.baseline, torch.tensor([0.45, 0.5, 0.55]))


def test_a_node_that_does_better_than_before_makes_its_edges_likelier():
    log_p = LOG_P.clone().requires_grad_()
    SampledGraphLoss(3)(log_p, CORRECT, ROWS).backward()
    assert (log_p.grad[0] < 0).all()  # descent raises these
    assert (log_p.grad[1] > 0).all()


def test_gradients_equal_differences():
    loss = SampledGraphLoss(3).eval()
    assert torch.autograd.gradcheck(lambda z: loss(z, CORRECT, ROWS), LOG_P.double().requires_grad_())


def test_its_gradient_is_that_of_the_expected_error():
    # one node that chooses one of three neighbours; only neighbour 0 leads to the right class
    logit = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64, requires_grad=True)
    right = torch.tensor([True, False, False])
    exact = torch.autograd.grad((logit.softmax(0) * ~right).sum(), logit)[0]
    loss, rows = SampledGraphLoss(1).eval(), torch.tensor([0])
    draws = sum(
        logit.detach().softmax(0)[j]
        * torch.autograd.grad(loss(logit.log_softmax(0)[j].view(1, 1), right[j : j + 1], rows), logit)[0]
        for j in range(3)
    )  # the expectation over draws, without chance
    torch.testing.assert_close(draws, exact)


def test_nobody_is_zero_and_nan_is_refused():
    loss = SampledGraphLoss(3)
    assert loss(LOG_P[:0], CORRECT[:0], ROWS[:0]) == 0
    with pytest.raises(NonFinite, match="log_probability"):
        loss(LOG_P * float("nan"), CORRECT, ROWS)
    with pytest.raises(ShapeMismatch, match="log_probability"):
        loss(LOG_P[:1], CORRECT, ROWS)
    with pytest.raises(InvalidOption, match="momentum"):
        SampledGraphLoss(3, momentum=2)
