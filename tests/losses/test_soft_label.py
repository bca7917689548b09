from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.losses.soft_label import one_hot, soft_cross_entropy

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]], dtype=torch.float64)


def test_it_equals_torchs_for_distributions_and_for_classes():
    target = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(soft_cross_entropy(LOGITS, target), cross_entropy(LOGITS, target, reduction="none"))
    labels = torch.tensor([2, 0])
    hard = soft_cross_entropy(LOGITS, one_hot(labels, 3))
    torch.testing.assert_close(hard, cross_entropy(LOGITS, labels, reduction="none"))


def test_gradients_equal_differences():
    target = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: soft_cross_entropy(z, target), LOGITS.clone().requires_grad_())


@pytest.mark.parametrize("target", [[[0.5, 0.6, 0.0]] * 2, [[1.5, -0.5, 0.0]] * 2])
def test_what_is_no_distribution_is_refused(target):
    with pytest.raises(InvalidOption, match="sum to 1"):
        soft_cross_entropy(LOGITS, torch.tensor(target))


def test_labels_out_of_range_nan_and_other_shapes_are_refused():
    with pytest.raises(InvalidOption, match=r"0 \.\. 1"):
        one_hot(torch.tensor([0, 2]), 2)
    with pytest.raises(InvalidOption, match="whole numbers"):
        one_hot(torch.tensor([0.0, 1.0]), 2)
    with pytest.raises(NonFinite, match="logits"):
        soft_cross_entropy(LOGITS * float("nan"), one_hot(torch.tensor([0, 1]), 3))
    with pytest.raises(ShapeMismatch, match="target"):
        soft_cross_entropy(LOGITS, one_hot(torch.tensor([0, 1]), 2))
