from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Dirichlet, kl_divergence

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.nn.heads.evidential import EvidentialHead, dirichlet_kl, evidential_loss, opinion

EVIDENCE = torch.tensor([[4.0, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


def test_an_opinion_has_the_closed_form_and_its_masses_sum_to_one():
    known = opinion(EVIDENCE)
    torch.testing.assert_close(known.belief[0], torch.tensor([0.5, 0.0, 0.125], dtype=torch.float64))
    torch.testing.assert_close(known.uncertainty, torch.tensor([3 / 8, 1.0], dtype=torch.float64))
    torch.testing.assert_close(known.probability[0], torch.tensor([5.0, 1, 2], dtype=torch.float64) / 8)
    torch.testing.assert_close(known.belief.sum(1) + known.uncertainty, torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(known.probability.sum(1), torch.ones(2, dtype=torch.float64))


def test_the_divergence_is_torchs():
    alpha = torch.tensor([[1.0, 1.0, 1.0], [2.5, 1.0, 7.0]], dtype=torch.float64)
    expected = kl_divergence(Dirichlet(alpha), Dirichlet(torch.ones(2, 3, dtype=torch.float64)))
    torch.testing.assert_close(dirichlet_kl(alpha), expected)


def test_without_the_price_it_is_the_expected_squared_error():
    drawn = Dirichlet(EVIDENCE + 1)
    torch.manual_seed(0)
    samples = drawn.sample((40_000,))
    expected = (samples - torch.eye(3)[LABELS]).square().sum(-1).mean(0)
    torch.testing.assert_close(evidential_loss(EVIDENCE, LABELS, 0), expected, rtol=0.02, atol=0.0)


def test_two_classes_have_the_closed_form():
    # alpha = (4, 2), S = 6: p = (2/3, 1/3), variance p (1 - p) / 7 each; alpha~ = (1, 2) has divergence ln 2 - 1/2
    loss = evidential_loss(torch.tensor([[3.0, 1.0]]), torch.tensor([0]), epoch=5)
    assert loss.item() == pytest.approx(2 / 9 + 2 * (2 / 9) / 7 + 0.5 * (math.log(2) - 0.5), rel=1e-5)


def test_the_price_grows_to_the_whole_and_no_further():
    values = np.array([evidential_loss(EVIDENCE[:1], torch.tensor([1]), t).item() for t in (0, 5, 10, 99)])
    assert values[1] - values[0] == pytest.approx((values[2] - values[0]) / 2)
    assert values[3] == values[2]


def test_evidence_for_the_right_class_has_no_price_and_for_a_wrong_one_has():
    right = evidential_loss(EVIDENCE[:1] * torch.tensor([1.0, 0, 0]), torch.tensor([0]), 10)
    torch.testing.assert_close(right, evidential_loss(EVIDENCE[:1] * torch.tensor([1.0, 0, 0]), torch.tensor([0]), 0))
    wrong = EVIDENCE[:1] * torch.tensor([1.0, 0, 0])
    assert evidential_loss(wrong, torch.tensor([1]), 10) > evidential_loss(wrong, torch.tensor([1]), 0) + 0.5


def test_training_raises_evidence_where_classes_are_clear():
    torch.manual_seed(0)
    x, labels = torch.cat([torch.randn(40, 2) - 3, torch.randn(40, 2) + 3]), torch.arange(2).repeat_interleave(40)
    head = EvidentialHead(2, 2)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.1)
    for epoch in range(60):
        optimiser.zero_grad()
        evidential_loss(head(x), labels, epoch).mean().backward()
        optimiser.step()
    known = opinion(head(torch.tensor([[-3.0, -3.0], [0.0, 0.0]])).detach())
    assert known.probability[0, 0] > 0.8
    assert known.uncertainty[0] < known.uncertainty[1]


def test_gradients_equal_differences_and_reach_every_parameter():
    evidence = (EVIDENCE + 0.3).requires_grad_()
    assert torch.autograd.gradcheck(lambda e: evidential_loss(e, LABELS, 7), evidence)
    head = EvidentialHead(4, 3)
    evidential_loss(head(torch.randn(2, 4)), LABELS, 7).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_much_evidence_is_a_number_in_float32():
    loss = evidential_loss(torch.tensor([[1e6, 1e6]]), torch.tensor([0]), 10)
    assert torch.isfinite(loss).all()


def test_negative_evidence_nan_and_other_shapes_are_refused():
    with pytest.raises(InvalidOption, match="evidence must be at least 0"):
        opinion(-EVIDENCE)
    with pytest.raises(NonFinite, match="evidence"):
        opinion(EVIDENCE * float("nan"))
    with pytest.raises(ShapeMismatch, match="labels"):
        evidential_loss(EVIDENCE, LABELS[:1], 1)
    with pytest.raises(ShapeMismatch, match="x must have shape"):
        EvidentialHead(4, 3)(torch.ones(2, 5))
