from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import expm, logm
from scipy.stats import kstest

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.losses.soft_label import one_hot, soft_cross_entropy
from graphfuse.nn.geodesic import GEODESICS
from graphfuse.nn.mixup import Mixing, draw_mixing, mix, mix_present, r_mixup

MIXING = Mixing(torch.tensor([0.25, 0.5, 1.0]), torch.tensor([1, 2, 0]))
PRESENT = torch.tensor([True, False, True])


def correlations(frames=10, regions=4, n=3):
    rng = np.random.default_rng(0)
    return torch.tensor(np.stack([np.corrcoef(rng.normal(size=(regions, frames))) for _ in range(n)]))


def test_features_and_labels_are_mixed_by_the_same_shares():
    x, labels = torch.tensor([[0.0, 4.0], [8.0, 0.0], [2.0, 2.0]]), torch.tensor([0, 1, 1])
    torch.testing.assert_close(mix(x, MIXING), torch.tensor([[6.0, 1.0], [5.0, 1.0], [2.0, 2.0]]))
    target = mix(one_hot(labels, 2), MIXING)
    torch.testing.assert_close(target, torch.tensor([[0.25, 0.75], [0.0, 1.0], [0.0, 1.0]]))


def test_cross_entropy_with_a_mixed_label_is_the_mixture_of_both():
    logits, labels = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1])
    own, partner = (soft_cross_entropy(logits, one_hot(y, 2)) for y in (labels, labels[MIXING.partner]))
    mixed = soft_cross_entropy(logits, mix(one_hot(labels, 2), MIXING))
    torch.testing.assert_close(mixed, MIXING.share * own + (1 - MIXING.share) * partner)


def test_the_share_of_a_batch_is_one_draw_uniform_by_default_and_partners_are_a_permutation():
    torch.manual_seed(0)
    drawn = [draw_mixing(5) for _ in range(400)]
    assert all(len(mixing.share.unique()) == 1 for mixing in drawn)
    assert all(mixing.partner.sort().values.tolist() == list(range(5)) for mixing in drawn)
    assert kstest([float(mixing.share[0]) for mixing in drawn], "uniform").pvalue > 0.01


def test_a_small_concentration_keeps_most_people_nearly_themselves():
    torch.manual_seed(1)
    shares = torch.tensor([float(draw_mixing(1, 0.1).share[0]) for _ in range(200)])
    assert (torch.minimum(shares, 1 - shares) < 0.1).float().mean() > 0.6


def test_the_same_seed_draws_the_same_mixing():
    torch.manual_seed(2)
    first = draw_mixing(6)
    torch.manual_seed(2)
    second = draw_mixing(6)
    assert torch.equal(first.share, second.share)
    assert torch.equal(first.partner, second.partner)


def test_mixed_people_have_a_modality_only_if_both_had_it():
    assert mix_present(PRESENT, MIXING).tolist() == [False, False, True]


def test_the_values_of_an_absent_modality_change_no_bit():
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(3))
    bad = torch.where(PRESENT[:, None], x, float("nan")).requires_grad_()
    mixed = mix(bad, MIXING, PRESENT)
    assert torch.equal(mixed, mix(x, MIXING, PRESENT))
    assert not mixed[:2].any()
    mixed.sum().backward()
    assert not bad.grad[1].any()
    matrices = correlations()
    poisoned = torch.where(PRESENT[:, None, None], matrices, float("nan"))
    assert torch.equal(r_mixup(poisoned, MIXING, PRESENT), r_mixup(matrices, MIXING, PRESENT))
    assert not r_mixup(poisoned, MIXING, PRESENT)[:2].any()


def test_gradients_of_the_mixture_equal_differences():
    x = torch.randn(3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: mix(z, MIXING), x)


def test_r_mixup_equals_scipys_logarithms_shrunk_and_brought_back_to_correlations():
    matrices = correlations()
    got = r_mixup(matrices, MIXING, shrinkage=0.1)
    shrunk = [0.9 * s.numpy() + 0.1 * np.eye(4) for s in matrices]
    for i, (share, partner) in enumerate(zip(MIXING.share.tolist(), MIXING.partner.tolist(), strict=True)):
        s = expm(share * logm(shrunk[i]) + (1 - share) * logm(shrunk[partner]))
        scale = np.sqrt(np.diag(s))
        np.testing.assert_allclose(got[i].numpy(), s / np.outer(scale, scale), atol=1e-9)


@pytest.mark.parametrize("kind", GEODESICS)
def test_singular_correlations_become_positive_definite_with_unit_diagonal(kind):
    matrices = correlations(frames=5, regions=12).float()
    got = r_mixup(matrices, MIXING, kind=kind)
    assert got.dtype == torch.float32
    assert torch.linalg.eigvalsh(got.double()).min() > 0
    assert torch.equal(got.diagonal(dim1=1, dim2=2), torch.ones(3, 12))
    assert torch.equal(got, got.mT)
    assert got.abs().max() <= 1


@pytest.mark.parametrize("kind", GEODESICS)
def test_who_keeps_all_of_himself_is_only_shrunk(kind):
    matrices = correlations()
    expected = 0.95 * matrices[2] + 0.05 * torch.eye(4)
    torch.testing.assert_close(r_mixup(matrices, MIXING, kind=kind)[2], expected)


def test_nobody_to_mix_gives_zeros():
    nobody = torch.zeros(3, dtype=torch.bool)
    assert not r_mixup(correlations(), MIXING, nobody).any()
    assert not mix(torch.ones(3, 2), MIXING, nobody).any()


def test_odd_arguments_are_refused():
    with pytest.raises(InvalidOption, match="shrinkage"):
        r_mixup(correlations(), MIXING, shrinkage=0)
    with pytest.raises(InvalidOption, match="concentration"):
        draw_mixing(3, 0)
    with pytest.raises(NonFinite, match="x of those who have it"):
        mix(torch.full((3, 2), float("nan")), MIXING)
    with pytest.raises(ShapeMismatch, match="mixing"):
        mix(torch.ones(2, 2), MIXING)
