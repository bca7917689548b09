from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from scipy.stats import gaussian_kde, norm

from graphfuse.connectome.distribution import density_similarity, distribution_similarity, region_densities
from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch, UnusableRegion


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return [[rng.normal(m, s, size=n) for m, s, n in ((0, 1, 50), (0.3, 1.2, 80), (2, 0.8, 41), (0, 1, 200))]
            for _ in range(3)]  # fmt: skip


def _loop(p):
    return np.array([[np.exp(-(rel_entr(a, b).sum() + rel_entr(b, a).sum())) for b in p] for a in p])


def test_gaussians_give_the_closed_form():
    means, spreads = np.array([0, 0.4, -1]), np.array([1, 1.3, 0.7])
    grid = np.linspace(-12, 12, 4001)
    p = norm.pdf(grid, means[:, None], spreads[:, None])
    between = (means[:, None] - means) ** 2
    kl = np.log(spreads / spreads[:, None]) + (spreads[:, None] ** 2 + between) / (2 * spreads**2) - 0.5
    np.testing.assert_allclose(density_similarity(p[None], 1e-200)[0], np.exp(-(kl + kl.T)), rtol=1e-6)


def test_ready_densities_equal_a_loop():
    p = np.random.default_rng(1).gamma(1, size=(3, 6, 20))
    q = p / p.sum(2, keepdims=True)
    np.testing.assert_allclose(density_similarity(q), [_loop(subject) for subject in q], rtol=2e-6)
    torch.testing.assert_close(density_similarity(p * 7), density_similarity(q))
    got = density_similarity(p)
    torch.testing.assert_close(got, got.mT, rtol=0, atol=0)
    assert (got.diagonal(dim1=1, dim2=2) == 1).all()


def test_densities_equal_scipy(samples):
    got = region_densities(samples, 64)
    for values, grid, subject in zip(got.values, got.grid, samples, strict=True):
        np.testing.assert_allclose(values, [gaussian_kde(x)(grid.numpy()) for x in subject], rtol=1e-10, atol=1e-300)
        mass = values.sum(1) * (grid[1] - grid[0])
        np.testing.assert_allclose(mass, 1, atol=2e-3)


def test_the_similarity_is_that_of_the_densities(samples):
    p = region_densities(samples).values.numpy()
    p = np.maximum(p / p.sum(2, keepdims=True), 1e-12)
    expected = [_loop(subject / subject.sum(1, keepdims=True)) for subject in p]
    np.testing.assert_allclose(distribution_similarity(samples), expected, rtol=1e-5, atol=1e-7)


def test_neither_unit_nor_zero_of_the_values_matters(samples):
    scaled = [[1000 * x - 7 for x in subject] for subject in samples]
    torch.testing.assert_close(distribution_similarity(scaled), distribution_similarity(samples))


def test_the_floor_bounds_the_distance_of_what_does_not_overlap():
    p = np.zeros((1, 2, 4))
    p[0, 0, 0] = p[0, 1, 3] = 1
    for floor in (1e-3, 1e-6):
        got = float(density_similarity(p, floor)[0, 0, 1])
        q = np.maximum(p[0], floor)
        assert got == pytest.approx(_loop(q / q.sum(1, keepdims=True))[0, 1], rel=1e-5)
        assert got > floor**2


def test_a_narrow_region_is_not_lost_between_the_points():
    narrow = [np.array([0.0101, 0.0102]), np.linspace(-100, 100, 50), np.array([0.0103, 0.0104])]
    similarity = distribution_similarity([narrow], 16)[0]
    assert similarity.isfinite().all()
    assert similarity[0, 2] > 0.99


def test_a_mask_gives_the_similarity_of_the_usable_regions(samples):
    usable = np.ones((3, 4), bool)
    usable[1, 2] = False
    keep = usable[1]
    alone = distribution_similarity([[samples[1][r] for r in (0, 1, 3)]])[0]
    samples[1][2] = None
    got = distribution_similarity(samples, usable=usable)[1]
    torch.testing.assert_close(got[keep][:, keep], alone)
    torch.testing.assert_close(got[~keep], torch.eye(4)[~keep], rtol=0, atol=0)
    p = np.random.default_rng(1).gamma(1, size=(3, 4, 20))
    alone = density_similarity(p[1:2, keep])[0]
    p[1, 2] = np.nan
    torch.testing.assert_close(density_similarity(p, usable=usable)[1][keep][:, keep], alone)


def test_a_subject_does_not_depend_on_the_others(samples):
    together = distribution_similarity(samples)
    torch.testing.assert_close(together, torch.cat([distribution_similarity([x]) for x in samples]))


def test_bad_samples_are_named(samples):
    with pytest.raises(ShapeMismatch, match="same regions"):
        distribution_similarity([samples[0], samples[1][:2]])
    with pytest.raises(ShapeMismatch, match="same regions"):
        distribution_similarity([])
    with pytest.raises(ShapeMismatch, match=r"samples\[0\], region 0.*\(n,\)"):
        distribution_similarity([[np.ones((2, 2))]])
    with pytest.raises(InvalidOption, match="points"):
        distribution_similarity(samples, 1)
    with pytest.raises(UnusableRegion, match=r"usable\[0\]"):
        distribution_similarity(samples, usable=np.zeros((3, 4), bool))
    for bad in (np.array([]), np.array([1.0]), np.full(5, 0.1)):
        with pytest.raises(UnusableRegion, match=r"samples\[0\], region 1 holds fewer"):
            distribution_similarity([[samples[0][0], bad]])
    samples[2][1][3] = np.nan
    with pytest.raises(NonFinite, match=r"samples\[2\], region 1"):
        distribution_similarity(samples)


def test_bad_densities_are_named():
    p = np.random.default_rng(1).gamma(1, size=(2, 3, 8))
    with pytest.raises(InvalidOption, match="floor"):
        density_similarity(p, 0)
    with pytest.raises(InvalidOption, match="floor"):
        density_similarity(p, 0.2)
    with pytest.raises(ShapeMismatch, match="densities"):
        density_similarity(p[0])
    p[1, 2] = 0
    with pytest.raises(UnusableRegion, match=r"densities\[1\], region 2 is 0"):
        density_similarity(p)
    p[1, 2, 0] = -1
    with pytest.raises(InvalidOption, match="negative"):
        density_similarity(p)
    p[1, 2, 0] = np.inf
    with pytest.raises(NonFinite, match="densities"):
        density_similarity(p)
