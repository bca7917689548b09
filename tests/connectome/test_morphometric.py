from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphfuse.connectome import SIMILARITIES, morphometric_similarity
from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch, UnusableRegion


def _measures(n_measures, n_subjects=3, n_regions=8):
    units = np.logspace(-1, 3, n_measures)
    return (np.random.default_rng(0).normal(size=(n_subjects, n_regions, n_measures)) + 5) * units


def _zscored(measures):
    return (measures - measures.mean(0)) / measures.std(0)


def test_the_correlation_equals_numpy():
    measures = _measures(6)
    expected = [np.corrcoef(_zscored(subject)) for subject in measures]
    np.testing.assert_allclose(morphometric_similarity(measures), expected, atol=1e-6)


def test_the_gaussian_equals_a_loop():
    measures = _measures(3)
    got = morphometric_similarity(measures)
    for matrix, z in zip(got, map(_zscored, measures), strict=True):
        distance = np.array([[np.sqrt(((a - b) ** 2).sum()) for b in z] for a in z])
        sigma = np.mean([distance[i, j] for i in range(8) for j in range(i)])
        np.testing.assert_allclose(matrix, np.exp(-(distance**2) / (2 * sigma**2)), atol=1e-6)


def test_auto_takes_the_correlation_from_five_measures_on():
    for n_measures, kind in ((4, "gaussian"), (5, "correlation")):
        measures = _measures(n_measures)
        torch.testing.assert_close(morphometric_similarity(measures), morphometric_similarity(measures, kind))
    with pytest.raises(InvalidOption, match="needs 5 measures or more; got 4"):
        morphometric_similarity(_measures(4), "correlation")


@pytest.mark.parametrize("n_measures", [3, 6])
def test_a_mask_gives_the_similarity_of_the_usable_regions(n_measures):
    measures = _measures(n_measures)
    keep = np.array([True, True, False, True, True, False, True, True])
    usable = np.ones((3, 8), bool)
    usable[1] = keep
    alone = morphometric_similarity(measures[1:2][:, keep])[0]
    measures[1, 2] = np.nan
    measures[1, 5] = 1e9
    got = morphometric_similarity(measures, usable=usable)[1]
    torch.testing.assert_close(got[keep][:, keep], alone)
    assert not got[~keep][:, keep].any()
    assert (got.diagonal() == 1).all()


@pytest.mark.parametrize("n_measures", [3, 6])
def test_a_subject_and_a_unit_do_not_matter_to_others(n_measures):
    measures = _measures(n_measures)
    got = morphometric_similarity(measures)
    units = np.linspace(1, 1000, n_measures)
    torch.testing.assert_close(morphometric_similarity(measures[2:] * units + 7), got[2:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_measures", [3, 6])
def test_a_measure_without_spread_changes_no_distance_and_breaks_nothing(n_measures):
    measures = _measures(n_measures)
    flat = np.concatenate([measures, np.full((3, 8, 1), 0.1)], axis=2)
    if n_measures == 3:
        torch.testing.assert_close(morphometric_similarity(flat), morphometric_similarity(measures))
    assert morphometric_similarity(flat).isfinite().all()
    everything_flat = morphometric_similarity(np.full((1, 8, n_measures), 2.0))
    torch.testing.assert_close(everything_flat[0], torch.ones(8, 8) if n_measures == 3 else torch.eye(8))


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 7)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from(["auto", "gaussian"]),
)
def test_only_numbers_come_out(measures, kind):
    got = morphometric_similarity(measures, kind)
    assert got.abs().max() <= 1
    torch.testing.assert_close(got, got.mT)
    assert (got.diagonal(dim1=1, dim2=2) == 1).all()


def test_errors_are_named():
    measures = _measures(3)
    with pytest.raises(InvalidOption, match="kind"):
        morphometric_similarity(measures, "cosine")
    with pytest.raises(ShapeMismatch):
        morphometric_similarity(measures[0])
    with pytest.raises(ShapeMismatch, match="usable"):
        morphometric_similarity(measures, usable=np.ones((3, 7), bool))
    with pytest.raises(UnusableRegion, match=r"usable\[0\]"):
        morphometric_similarity(measures, usable=np.zeros((3, 8), bool))
    measures[1, 4, 0] = np.nan
    with pytest.raises(NonFinite, match=r"measures\[1\].*region 4"):
        morphometric_similarity(measures)
    assert set(SIMILARITIES) == {"correlation", "gaussian"}
