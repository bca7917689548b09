from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import hilbert

from graphfuse.connectome.leading import analytic_phase, leading_eigenvectors
from graphfuse.errors import NonFinite, ShapeMismatch


@pytest.fixture
def phase():
    return (torch.rand(2, 15, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.5) * 6


@pytest.mark.parametrize("frames", [40, 41])
def test_phases_are_scipys(frames):
    x = np.random.default_rng(0).normal(size=(3, frames, 5))
    expected = np.angle(hilbert(x - x.mean(1, keepdims=True), axis=1))
    np.testing.assert_allclose(analytic_phase(x), expected, rtol=0, atol=1e-9)


def test_vectors_and_shares_equal_a_full_decomposition(phase):
    vectors, share = leading_eigenvectors(phase)
    coherence = torch.cos(phase[..., :, None] - phase[..., None, :])
    values, expected = torch.linalg.eigh(coherence)
    expected = expected[..., -1]
    expected = expected * (expected * vectors).sum(-1, keepdim=True).sign()
    torch.testing.assert_close(vectors, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(share, values[..., -1] / values.sum(-1))


def test_more_entries_are_negative_than_positive(phase):
    vectors, _ = leading_eigenvectors(phase)
    assert ((vectors < 0).sum(-1) > (vectors > 0).sum(-1)).all()  # 9 regions: never as many
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2, 15, dtype=torch.float64))


def test_of_as_many_the_first_is_negative():
    vectors, share = leading_eigenvectors(torch.tensor([[[0.0, torch.pi]], [[torch.pi, 0.0]]], dtype=torch.float64))
    torch.testing.assert_close(vectors[:, 0, 0], torch.full((2,), -(0.5**0.5), dtype=torch.float64))
    torch.testing.assert_close(share, torch.ones(2, 1, dtype=torch.float64))


def test_regions_in_phase_share_one_vector():
    vectors, share = leading_eigenvectors(torch.full((1, 3, 4), 1.3))
    torch.testing.assert_close(vectors, torch.full((1, 3, 4), -0.5))
    torch.testing.assert_close(share, torch.ones(1, 3))


def test_equal_eigenvalues_give_a_finite_vector_of_the_same_plane():
    phase = torch.arange(4, dtype=torch.float64)[None, None] * torch.pi / 2
    vectors, share = leading_eigenvectors(phase)
    coherence = torch.cos(phase[..., :, None] - phase[..., None, :])
    torch.testing.assert_close((coherence @ vectors[..., None])[..., 0], 2 * vectors)
    assert float(share) == pytest.approx(0.5)


def test_unusable_regions_influence_nothing(phase):
    usable = torch.ones(2, 9, dtype=torch.bool)
    usable[1, 4] = False
    others = [r for r in range(9) if r != 4]
    expected, expected_share = leading_eigenvectors(phase[1:, :, others])
    phase[1, :, 4] = torch.nan
    vectors, share = leading_eigenvectors(phase, usable)
    torch.testing.assert_close(vectors[1:, :, others], expected)
    torch.testing.assert_close(share[1:], expected_share)
    assert (vectors[1, :, 4] == 0).all()


def test_errors_are_named(phase):
    with pytest.raises(ShapeMismatch, match="phase"):
        leading_eigenvectors(phase[0])
    with pytest.raises(ShapeMismatch, match="usable"):
        leading_eigenvectors(phase, torch.ones(2, 8))
    phase[0, 1, 2] = torch.inf
    with pytest.raises(NonFinite, match="usable"):
        leading_eigenvectors(phase)
