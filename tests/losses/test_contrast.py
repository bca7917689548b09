from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from graphfuse.errors import InvalidOption, NonFinite
from graphfuse.losses.contrast import category_contrast, info_nce, supervised_contrast

LABELS = torch.tensor([0, 1, 0, 2, 1])
LEFT = torch.tensor([True, True, False, True, True])
RIGHT = torch.tensor([True, False, True, True, True])


def embeddings(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(5, 3, dtype=torch.float64, generator=generator) for _ in range(2)]


def one_way(first, second, labels, left, right, tau):
    """The formula, person by person."""
    first, second = normalize(first).numpy(), normalize(second).numpy()
    terms = []
    for i in np.flatnonzero(left):
        score = {a: np.exp(first[i] @ second[a] / tau) for a in np.flatnonzero(right)}
        positives = [p for p in score if labels[p] == labels[i]]
        if positives:
            terms.append(-np.mean([np.log(score[p] / sum(score.values())) for p in positives]))
    return np.mean(terms)


def test_info_nce_is_cross_entropy_over_the_cosines_both_ways():
    first, second = embeddings()
    score = normalize(first) @ normalize(second).T / 0.2
    own = torch.arange(5)
    expected = (cross_entropy(score, own) + cross_entropy(score.T, own)) / 2
    torch.testing.assert_close(info_nce(first, second, temperature=0.2), expected)


def test_info_nce_without_any_signal_is_the_logarithm_of_the_batch():
    z = torch.ones(7, 2)
    torch.testing.assert_close(info_nce(z, z), torch.tensor(np.log(7.0), dtype=torch.float32))


@pytest.mark.parametrize("masked", [False, True])
def test_category_contrast_equals_the_loop(masked):
    first, second = embeddings()
    left, right = (LEFT, RIGHT) if masked else (torch.ones(5, dtype=torch.bool),) * 2
    masks = (LEFT, RIGHT) if masked else (None, None)
    forth = one_way(first, second, LABELS.numpy(), left.numpy(), right.numpy(), 0.5)
    back = one_way(second, first, LABELS.numpy(), right.numpy(), left.numpy(), 0.5)
    got = category_contrast(first, second, LABELS, *masks, temperature=0.5)
    assert got.item() == pytest.approx((forth + back) / 2)


def test_with_everyone_a_class_of_his_own_category_contrast_is_info_nce():
    first, second = embeddings()
    torch.testing.assert_close(category_contrast(first, second, torch.arange(5)), info_nce(first, second))


def test_values_of_an_absent_modality_change_no_bit_of_category_contrast():
    first, second = (z.requires_grad_() for z in embeddings())
    clean = category_contrast(first, second, LABELS, LEFT, RIGHT)
    bad = [torch.where(m[:, None], z, float("nan")).detach() for z, m in ((first, LEFT), (second, RIGHT))]
    bad = [z.requires_grad_() for z in bad]
    dirty = category_contrast(*bad, LABELS, LEFT, RIGHT)
    assert torch.equal(clean, dirty)
    for old, new in zip(torch.autograd.grad(clean, (first, second)), torch.autograd.grad(dirty, bad), strict=True):
        assert torch.equal(old, new)


def test_somebody_with_one_modality_still_counts_in_it():
    first, second = embeddings()
    moved = first.clone()
    moved[1] = -moved[1]  # who lacks the second modality
    before = category_contrast(first, second, LABELS, LEFT, RIGHT)
    assert not torch.isclose(before, category_contrast(moved, second, LABELS, LEFT, RIGHT))


def test_gradients_of_category_contrast_equal_differences():
    inputs = [z.requires_grad_() for z in embeddings()]
    loss = partial(category_contrast, labels=LABELS, first_present=LEFT, second_present=RIGHT, temperature=0.3)
    assert torch.autograd.gradcheck(loss, inputs)


def test_aligned_classes_lose_less_than_shuffled_ones():
    first = torch.eye(3)[LABELS]
    assert category_contrast(first, first, LABELS) < category_contrast(first, first.roll(1, 0), LABELS) - 1
    assert info_nce(*embeddings()) > info_nce(embeddings()[0], embeddings()[0])


def test_supervised_contrast_equals_the_loop():
    z, tau = embeddings()[0], 0.4
    unit, terms = normalize(z).numpy(), []
    for i in range(5):
        score = {a: np.exp(unit[i] @ unit[a] / tau) for a in range(5) if a != i}
        positives = [p for p in score if LABELS[p] == LABELS[i]]
        if positives:  # the only one of class 2 has none
            terms.append(-np.mean([np.log(score[p] / sum(score.values())) for p in positives]))
    assert supervised_contrast(z, LABELS, temperature=tau).item() == pytest.approx(np.mean(terms))
    assert len(terms) == 4


def test_nobody_of_ones_class_in_the_other_modality_is_zero():
    first, second = embeddings()
    only = torch.tensor([True, False, False, False, False])
    other = torch.tensor([False, True, False, False, False])
    assert category_contrast(first, second, LABELS, only, other) == 0
    assert supervised_contrast(first, torch.arange(5)) == 0


def test_a_temperature_of_zero_and_a_nan_are_refused():
    first, second = embeddings()
    with pytest.raises(InvalidOption, match="temperature"):
        info_nce(first, second, temperature=0)
    with pytest.raises(NonFinite, match="first of those who have it"):
        category_contrast(first * float("nan"), second, LABELS)
