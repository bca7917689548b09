from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.losses.noisy import (
    ROBUST_LOSSES,
    forward_correction,
    generalised_cross_entropy,
    smoothed_cross_entropy,
    symmetric_cross_entropy,
)

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 1.0, 4.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 2, 1])
P = LOGITS.softmax(1).numpy()
P_Y = P[np.arange(3), LABELS.numpy()]
FLIPS = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.0, 0.3, 0.7]], dtype=torch.float64)


def test_generalised_cross_entropy_has_the_printed_form():
    got = generalised_cross_entropy(LOGITS, LABELS, q=0.7)
    np.testing.assert_allclose(got, (1 - P_Y**0.7) / 0.7)
    np.testing.assert_allclose(generalised_cross_entropy(LOGITS, LABELS, q=1.0), 1 - P_Y)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_generalised_cross_entropy_is_cross_entropy_as_q_falls_to_zero(dtype):
    logits = LOGITS.to(dtype)
    near = generalised_cross_entropy(logits, LABELS, q=1e-6)
    torch.testing.assert_close(near, cross_entropy(logits, LABELS, reduction="none"), rtol=1e-5, atol=1e-5)


def test_one_wrong_label_costs_at_most_one_over_q():
    wrong = torch.tensor([[300.0, -300.0]])
    torch.testing.assert_close(generalised_cross_entropy(wrong, torch.tensor([1]), q=0.5), torch.tensor([2.0]))
    assert symmetric_cross_entropy(wrong, torch.tensor([1]), forward_weight=0.0).item() == pytest.approx(4)
    assert cross_entropy(wrong, torch.tensor([1])) > 500


def test_symmetric_cross_entropy_is_the_sum_of_both_directions():
    target = np.eye(3)[LABELS.numpy()]
    reverse = -(P * np.where(target == 1, 0.0, -6.0)).sum(1)  # log 1 = 0, log 0 = -6
    expected = 0.3 * -np.log(P_Y) + 2.0 * reverse
    np.testing.assert_allclose(symmetric_cross_entropy(LOGITS, LABELS, 0.3, 2.0, -6.0), expected)


def test_smoothing_equals_torchs():
    expected = cross_entropy(LOGITS, LABELS, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(smoothed_cross_entropy(LOGITS, LABELS), expected)


def test_forward_correction_is_the_likelihood_of_flipped_labels():
    expected = -np.log((P @ FLIPS.numpy())[np.arange(3), LABELS.numpy()])
    np.testing.assert_allclose(forward_correction(LOGITS, LABELS, FLIPS), expected)
    torch.testing.assert_close(
        forward_correction(LOGITS, LABELS, torch.eye(3)), cross_entropy(LOGITS, LABELS, reduction="none")
    )


def test_forward_correction_recovers_the_clean_posterior_from_flipped_labels():
    # the least expected loss under the flipped labels' distribution is at the clean posterior
    clean = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64)
    given, logits = clean @ FLIPS, torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        each = forward_correction(logits.expand(3, 3), torch.arange(3), FLIPS)
        (given[0] * each).sum().backward()
        return (given[0] * each).sum().detach()

    optimiser.step(loss)
    torch.testing.assert_close(logits.detach().softmax(1), clean, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [*ROBUST_LOSSES, "forward"])
def test_gradients_equal_differences_and_nan_is_refused(name):
    loss = ROBUST_LOSSES.get(name, lambda z, y: forward_correction(z, y, FLIPS))
    assert torch.autograd.gradcheck(lambda z: loss(z, LABELS), LOGITS.clone().requires_grad_())
    assert loss(LOGITS, LABELS).shape == (3,)
    with pytest.raises(NonFinite, match="logits"):
        loss(LOGITS * float("nan"), LABELS)
    with pytest.raises(ShapeMismatch, match="labels"):
        loss(LOGITS, LABELS[:2])


@pytest.mark.parametrize("name", [*ROBUST_LOSSES, "forward"])
def test_sure_and_wrong_is_still_a_number(name):
    loss = ROBUST_LOSSES.get(name, lambda z, y: forward_correction(z, y, FLIPS.to(z)))
    logits = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    value = loss(logits, torch.tensor([1]))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(logits.grad).all()


def test_odd_options_are_refused():
    with pytest.raises(InvalidOption, match="q must lie"):
        generalised_cross_entropy(LOGITS, LABELS, q=0)
    with pytest.raises(InvalidOption, match="rows that sum to 1"):
        forward_correction(LOGITS, LABELS, torch.ones(3, 3))
    with pytest.raises(InvalidOption, match="no column of zeros"):
        forward_correction(LOGITS, LABELS, torch.tensor([[1.0, 0, 0]] * 3))
    with pytest.raises(InvalidOption, match="-log_zero"):
        symmetric_cross_entropy(LOGITS, LABELS, log_zero=1)
