"""What every loss over people keeps to: the absent leave no bit, nobody is zero, NaN is refused, gradients hold."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from graphfuse import losses
from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.losses.contract import nothing, unit_rows

LABELS = torch.tensor([0, 1, 0, 1, 2, 2])
BOTH = torch.tensor([True, True, False, True, True, True])

PAIRS = {
    "cca": losses.cca_loss,
    "cosine": partial(losses.similarity_loss, kind="cosine"),
    "gram": losses.gram_consistency,
    "hsic": losses.hsic,
    "info-nce": losses.info_nce,
    "l1": partial(losses.similarity_loss, kind="l1"),
    "l2": losses.similarity_loss,
    "mmd": partial(losses.similarity_loss, kind="mmd"),
    "orthogonality": losses.orthogonality,
}
SINGLE = {
    "discriminative": partial(losses.discriminative_loss, margin=3.0),
    "group-consistency": lambda z, labels, present: losses.group_consistency(z / 16 + 0.5, labels, None, present),
    "supervised": losses.supervised_contrast,
}


def embeddings(seed=0, people=6, width=3, dtype=torch.float64):
    torch.manual_seed(seed)
    return [torch.randn(people, width, dtype=dtype, requires_grad=True) for _ in range(2)]


@pytest.mark.parametrize("name", PAIRS)
class TestOfPairs:
    def test_gradients_equal_differences(self, name):
        assert torch.autograd.gradcheck(lambda a, b: PAIRS[name](a, b, BOTH), embeddings())

    @pytest.mark.parametrize("poison", [float("nan"), 1e30, -3.0])
    def test_the_values_of_the_absent_change_no_bit(self, name, poison):
        first, second = embeddings()
        clean = torch.autograd.grad(PAIRS[name](first, second, BOTH), (first, second))
        bad = [torch.where(BOTH[:, None], z, poison).detach().requires_grad_() for z in (first, second)]
        assert torch.equal(PAIRS[name](*bad, BOTH), PAIRS[name](first, second, BOTH))
        for dirty, grad in zip(torch.autograd.grad(PAIRS[name](*bad, BOTH), bad), clean, strict=True):
            assert torch.equal(dirty, grad)
            assert torch.equal(dirty[2], torch.zeros(3, dtype=torch.float64))

    def test_only_those_who_have_both_count(self, name):
        first, second = embeddings()
        torch.testing.assert_close(PAIRS[name](first, second, BOTH), PAIRS[name](first[BOTH], second[BOTH]))

    def test_nobody_is_zero_and_can_be_differentiated(self, name):
        first, second = embeddings()
        loss = PAIRS[name](first, second, torch.zeros(6, dtype=torch.bool))
        loss.backward()
        assert loss == 0
        assert not first.grad.any()

    def test_one_person_is_a_number(self, name):
        first, second = embeddings(people=1, dtype=torch.float32)
        loss = PAIRS[name](first, second)
        assert torch.isfinite(loss)
        assert loss.dtype == torch.float32
        assert all(torch.isfinite(grad).all() for grad in torch.autograd.grad(loss, (first, second)))

    def test_a_dead_layer_is_no_nan(self, name):
        first, second = torch.zeros(4, 3, requires_grad=True), torch.zeros(4, 3, requires_grad=True)
        loss = PAIRS[name](first, second)
        assert torch.isfinite(loss)
        assert all(torch.isfinite(grad).all() for grad in torch.autograd.grad(loss, (first, second)))

    def test_the_order_of_people_does_not_matter(self, name):
        first, second = embeddings()
        order = torch.tensor([3, 1, 5, 0, 4, 2])
        torch.testing.assert_close(PAIRS[name](first[order], second[order]), PAIRS[name](first, second))

    def test_a_nan_of_somebody_present_is_refused(self, name):
        first, second = embeddings()
        with pytest.raises(NonFinite, match="second of those who have it"):
            PAIRS[name](first, torch.full_like(second, float("nan")), BOTH)

    def test_other_people_and_masks_of_numbers_are_refused(self, name):
        first, second = embeddings()
        with pytest.raises(ShapeMismatch, match="second must have shape"):
            PAIRS[name](first, second[:4])
        with pytest.raises(InvalidOption, match="the mask of first must be boolean"):
            PAIRS[name](first, second, BOTH.float())


@pytest.mark.parametrize("name", SINGLE)
class TestOfOneModality:
    def test_gradients_equal_differences(self, name):
        assert torch.autograd.gradcheck(lambda z: SINGLE[name](z, LABELS, BOTH), embeddings()[:1])

    def test_the_values_of_the_absent_change_no_bit(self, name):
        z = embeddings()[0]
        clean = SINGLE[name](z, LABELS, BOTH)
        bad = torch.where(BOTH[:, None], z, float("nan")).detach().requires_grad_()
        dirty = SINGLE[name](bad, LABELS, BOTH)
        assert torch.equal(clean, dirty)
        assert torch.equal(torch.autograd.grad(dirty, bad)[0], torch.autograd.grad(clean, z)[0])
        torch.testing.assert_close(dirty, SINGLE[name](z[BOTH], LABELS[BOTH], None))

    def test_nobody_is_zero_and_can_be_differentiated(self, name):
        z = embeddings()[0]
        loss = SINGLE[name](z, LABELS, torch.zeros(6, dtype=torch.bool))
        loss.backward()
        assert loss == 0

    def test_a_nan_of_somebody_present_is_refused(self, name):
        with pytest.raises(NonFinite):
            SINGLE[name](torch.full((6, 3), float("nan")), LABELS, BOTH)


def test_a_zero_vector_stays_zero_without_a_gradient():
    z = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    torch.testing.assert_close(unit_rows(z), torch.tensor([[0.0, 0.0], [0.6, 0.8]]))
    unit_rows(z)[0].sum().backward()
    assert not z.grad.any()


def test_finite_embeddings_whose_product_is_not_are_refused():
    z = torch.tensor([[1e15], [-1e15]])
    with pytest.raises(NonFinite, match="the HSIC"):
        losses.hsic(z, z)


def test_the_loss_of_nobody_is_a_zero_of_each_tensor():
    first, second = torch.ones(2, 3, requires_grad=True), torch.ones(2, 1, requires_grad=True)
    nothing(first, second).backward()
    assert not first.grad.any()
    assert not second.grad.any()
