from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.losses.self_training import BootstrapLoss, co_teaching, small_losses

LOGITS = torch.tensor([[2.0, -1.0], [0.5, 0.0]])
LABELS, ROWS = torch.tensor([1, 0]), torch.tensor([3, 1])


def test_until_the_warm_up_is_over_the_label_stands_alone():
    loss = BootstrapLoss(4, 2, warm_up=2)
    for _ in range(2):
        torch.testing.assert_close(loss(LOGITS, LABELS, ROWS), cross_entropy(LOGITS, LABELS, reduction="none"))
    assert not torch.allclose(loss(LOGITS, LABELS, ROWS), cross_entropy(LOGITS, LABELS, reduction="none"))


def test_the_target_mixes_label_and_past_predictions():
    loss = BootstrapLoss(4, 2, trust=0.8, momentum=0.9, warm_up=1)
    loss(LOGITS, LABELS, ROWS)
    loss(-LOGITS, LABELS, ROWS)
    average = 0.9 * LOGITS.softmax(1) + 0.1 * (-LOGITS).softmax(1)
    expected = 0.8 * torch.tensor([[0.0, 1.0], [1.0, 0.0]]) + 0.2 * average
    torch.testing.assert_close(loss.target(LABELS, ROWS), expected)
    torch.testing.assert_close(loss(LOGITS, LABELS, ROWS), cross_entropy(LOGITS, expected, reduction="none"))


def test_a_wrong_label_that_the_network_doubts_costs_less():
    sure = torch.tensor([[6.0, -6.0]])
    loss = BootstrapLoss(1, 2, trust=0.2, warm_up=1)
    label, row = torch.tensor([1]), torch.tensor([0])
    first = loss(sure, label, row)
    assert loss(sure, label, row) < first / 4


def test_people_who_did_not_come_are_not_touched_and_evaluation_remembers_nothing():
    loss = BootstrapLoss(4, 2)
    loss(LOGITS, LABELS, ROWS)
    assert loss.looks.tolist() == [0, 1, 0, 1]
    assert not loss.average[[0, 2]].any()
    loss.eval()(LOGITS, LABELS, ROWS)
    assert loss.looks.tolist() == [0, 1, 0, 1]


def test_the_memory_is_kept_apart_from_gradients():
    logits = LOGITS.double().requires_grad_()
    loss = BootstrapLoss(4, 2, warm_up=1)
    loss(logits, LABELS, ROWS)
    assert not loss.average.requires_grad
    assert torch.autograd.gradcheck(lambda z: loss.eval()(z, LABELS, ROWS), logits)


def test_the_smallest_losses_are_kept_and_of_equals_the_earlier():
    losses = torch.tensor([3.0, 1.0, 2.0, 1.0, 5.0])
    assert small_losses(losses, 0.4).tolist() == [False, True, True, True, False]
    assert small_losses(losses, 0.8).tolist() == [False, True, False, False, False]
    assert small_losses(losses, 0.0).all()
    assert small_losses(torch.arange(10.0), 0.3).sum() == 7


def test_each_network_learns_from_the_people_whom_the_other_finds_easy():
    first, second = torch.tensor([1.0, 9.0, 2.0, 8.0]), torch.tensor([5.0, 1.0, 2.0, 7.0])
    first.requires_grad_()
    one, two = co_teaching(first, second, 0.5)
    assert one.item() == pytest.approx((9 + 2) / 2)  # second finds people 1 and 2 easy
    assert two.item() == pytest.approx((5 + 2) / 2)  # first finds people 0 and 2 easy
    one.backward()
    assert first.grad.tolist() == [0, 0.5, 0.5, 0]


def test_odd_options_and_nan_are_refused():
    with pytest.raises(InvalidOption, match="drop"):
        small_losses(torch.ones(2), 1.5)
    with pytest.raises(NonFinite, match="losses"):
        small_losses(torch.tensor([float("nan")]), 0.5)
    with pytest.raises(InvalidOption, match="trust"):
        BootstrapLoss(3, 2, trust=2)
    with pytest.raises(ShapeMismatch, match="logits"):
        BootstrapLoss(3, 4)(LOGITS, LABELS, ROWS)
