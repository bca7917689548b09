from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power
from sklearn.cross_decomposition import CCA
from sklearn.metrics.pairwise import rbf_kernel

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.losses.alignment import SIMILARITIES, cca_loss, gram_consistency, similarity_loss

FIRST, SECOND = torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([[0.0, 5.0], [0.0, 1.0]])


@pytest.mark.parametrize(("kind", "value"), [("cosine", 0.5), ("l1", 1.0), ("l2", 1.0)])
def test_one_right_angle_and_one_agreement_have_the_closed_form(kind, value):
    torch.testing.assert_close(similarity_loss(FIRST, SECOND, kind=kind), torch.tensor(value))


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_equal_embeddings_are_at_zero(kind):
    z = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(similarity_loss(z, z.clone(), kind=kind), torch.tensor(0.0), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["cosine", "l1", "l2"])
def test_length_does_not_matter_to_directions(kind):
    torch.testing.assert_close(
        similarity_loss(10 * FIRST, SECOND, kind=kind), similarity_loss(FIRST, SECOND / 7, kind=kind)
    )


def test_mmd_is_the_biased_estimate_under_sklearns_kernel():
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(6, 2, generator=generator), torch.randn(6, 2, generator=generator) + 1
    z = torch.cat([first, second]).double().numpy()
    distance = ((z[:, None] - z) ** 2).sum(-1)
    gamma = 1 / distance[~np.eye(12, dtype=bool)].mean()
    k = rbf_kernel(z, gamma=gamma)
    expected = k[:6, :6].mean() + k[6:, 6:].mean() - 2 * k[:6, 6:].mean()
    assert similarity_loss(first, second, kind="mmd").item() == pytest.approx(expected, rel=1e-4)


def test_mmd_sees_a_shift_and_no_order():
    z = torch.randn(20, 2, generator=torch.Generator().manual_seed(2))
    assert similarity_loss(z, z.flip(0), kind="mmd").abs() < 1e-6
    assert similarity_loss(z, z + 2, kind="mmd") > 0.3


def test_an_unknown_kind_and_other_widths_are_refused():
    with pytest.raises(InvalidOption, match="Did you mean 'cosine'"):
        similarity_loss(FIRST, SECOND, kind="cosin")
    with pytest.raises(ShapeMismatch, match="second"):
        similarity_loss(FIRST, SECOND[:, :1])


def test_gram_consistency_equals_a_loop():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    grams = []
    for z in (first, second):
        z = z - z.mean(0)
        z = z / np.linalg.norm(z, axis=1, keepdims=True)
        grams.append(z @ z.T)
    got = gram_consistency(torch.tensor(first), torch.tensor(second))
    assert got.item() == pytest.approx(((grams[0] - grams[1]) ** 2).mean())


def test_a_rotation_and_a_shift_are_consistent():
    z = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4)))[0]
    assert gram_consistency(z, 4 * z @ rotation + 1) < 1e-20
    assert gram_consistency(z, z.flip(0)) > 0.01


def test_cca_is_the_trace_norm_with_symmetric_roots():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    second[:, 0] += first[:, 1]
    c = np.cov(first.T, second.T)
    s11, s22, s12 = c[:3, :3], c[3:, 3:], c[:3, 3:]
    s11 += 0.1 * np.trace(s11) / 3 * np.eye(3)
    s22 += 0.1 * np.trace(s22) / 2 * np.eye(2)
    t = fractional_matrix_power(s11, -0.5) @ s12 @ fractional_matrix_power(s22, -0.5)
    got = cca_loss(torch.tensor(first), torch.tensor(second), ridge=0.1)
    assert got.item() == pytest.approx(-np.linalg.svd(t, compute_uv=False).sum())


def test_cca_without_much_ridge_sums_sklearns_canonical_correlations():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
    second[:, 1] += 2 * first[:, 0]
    a, b = CCA(2, scale=False, tol=1e-12, max_iter=5000).fit_transform(first, second)
    expected = sum(abs(np.corrcoef(a[:, k], b[:, k])[0, 1]) for k in range(2))
    got = cca_loss(torch.tensor(first), torch.tensor(second), ridge=1e-9)
    assert -got.item() == pytest.approx(expected, rel=1e-5)


def test_cca_of_linear_images_is_the_width_and_does_not_see_scale():
    z = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    image = z @ torch.tensor([[1.0, 2, 0], [0, 1, 3], [1, 0, 1]], dtype=torch.float64) + 5
    assert cca_loss(z, image, ridge=1e-10).item() == pytest.approx(-3, abs=1e-6)
    torch.testing.assert_close(cca_loss(1e3 * z, image), cca_loss(z, image))


def test_more_features_than_people_are_a_number():
    generator = torch.Generator().manual_seed(6)
    first, second = (torch.randn(5, 40, generator=generator) for _ in range(2))
    assert -5 < cca_loss(first, second, ridge=1e-10) < 0


def test_cca_needs_a_ridge():
    with pytest.raises(InvalidOption, match="ridge"):
        cca_loss(FIRST, SECOND, ridge=0)
