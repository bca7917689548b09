from __future__ import annotations

import numpy as np
import pytest

from graphfuse import synthesis
from graphfuse.atlas import list_atlases, load_atlas


def scanner(frames=20_000, r=100, **change):
    settings = {"frames": frames, "t_r": 2.0, "gain": 1.0, "level": 0.0, "noise": 0.0}
    empty = np.zeros((r, synthesis.PATTERNS)), np.zeros((68, len(synthesis.MEASURES)))
    return synthesis.Scanner(**{**settings, **change}, patterns=empty[0], measure_shift=empty[1])


@pytest.mark.parametrize("name", list_atlases().index)
def test_every_covariance_is_positive_definite(name):
    base = synthesis.base_covariance(load_atlas(name))
    assert np.allclose(np.diag(base), 1)
    assert np.allclose(base, base.T)
    for regions in (10, len(base)):
        for latent in (-5.0, 0.0, 5.0):
            patterns = np.zeros((len(base), 1))
            covariance = synthesis.planted_covariance(base, np.arange(regions), latent, patterns)
            assert np.linalg.eigvalsh(covariance)[0] >= synthesis.UNIQUE - synthesis.MAX_COUPLING - 1e-9


def test_the_latent_moves_the_planted_edges_and_no_others():
    base = synthesis.base_covariance(load_atlas("schaefer-100"))
    planted = np.array([3, 30, 77])
    low, high = (synthesis.planted_covariance(base, planted, s, np.zeros((100, 1))) for s in (-1.0, 1.0))
    wanted = np.zeros((100, 100))
    wanted[np.ix_(planted, planted)] = 2 * synthesis.COUPLING_PER_SD
    np.fill_diagonal(wanted, 0)
    assert np.allclose(high - low, wanted)


def test_a_long_series_has_the_covariance_and_the_autocorrelation_asked_for():
    rng = np.random.default_rng(0)
    covariance = synthesis.base_covariance(load_atlas("schaefer-100"))
    series = synthesis.series(covariance, scanner(gain=3.0, level=50.0), 0.0, rng)
    assert series.dtype == np.float32
    assert np.allclose(np.cov(series.T) / 9, covariance, atol=0.08)
    assert series.mean() == pytest.approx(50, abs=0.5)
    lagged = [np.corrcoef(column[1:], column[:-1])[0, 1] for column in series.T]
    assert np.mean(lagged) == pytest.approx(synthesis.AUTOCORRELATION, abs=0.02)


def test_motion_raises_every_correlation():
    covariance = synthesis.base_covariance(load_atlas("schaefer-100"))
    still, moving = (
        np.corrcoef(synthesis.series(covariance, scanner(4000), fd, np.random.default_rng(0)).T).mean()
        for fd in (0.0, 0.5)
    )
    assert moving > still + 0.1


def test_a_planted_measure_moves_by_half_a_standard_deviation():
    person, shift = np.zeros(68 * 5 + 1), np.zeros((68, 5))
    low, high = (
        synthesis.measures(np.array([4]), s, 20.0, person, shift, np.random.default_rng(0)) for s in (0.0, 1.0)
    )
    change = (high - low) / [sd for _, sd, _, _ in synthesis.MEASURES.values()]
    assert np.allclose(change[4], [-0.5, -0.5, -0.5, 0.5, 0.5], atol=1e-3)
    assert np.allclose(np.delete(change, 4, axis=0), 0, atol=1e-3)
