from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score

from graphfuse.connectome import correlation
from graphfuse.connectome.information import (
    equal_frequency_bins,
    gaussian_information,
    mutual_information,
    normalised_mutual_information,
)
from graphfuse.errors import GraphFuseError, InvalidOption, NonFinite, ShortSeries, UnusableRegion

MEASURES = [mutual_information, normalised_mutual_information, gaussian_information]


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, 5))
    return [rng.normal(size=(t, 5)) @ mixing + 100 for t in (90, 61, 90, 75)]


def _pairs(score, labels):
    return np.array([[score(a, b) for a in labels.T] for b in labels.T])


@pytest.mark.parametrize("decimals", [15, 0])
@pytest.mark.parametrize("bins", [2, 5, 8])
def test_equals_sklearn_on_the_same_bins(series, bins, decimals):
    series = [x.round(decimals) for x in series]
    labels = [equal_frequency_bins(torch.from_numpy(x)[None], bins)[0].numpy() for x in series]
    for measure, score in (
        (mutual_information, mutual_info_score),
        (normalised_mutual_information, normalized_mutual_info_score),
    ):
        got = measure(series, bins, dtype=torch.float64)
        np.testing.assert_allclose(got, [_pairs(score, x) for x in labels], rtol=0, atol=1e-10)
        torch.testing.assert_close(got, got.mT, rtol=0, atol=0)


def test_bins_hold_equally_many_frames_and_equal_values_share_one():
    x = torch.randn(1, 60, 3, generator=torch.Generator().manual_seed(0))
    x[..., 2] = x[..., 2].round()
    label = equal_frequency_bins(x, 5)[0]
    assert (torch.bincount(label[:, 0], minlength=5) == 12).all()
    for value in x[0, :, 2].unique():
        assert len(label[x[0, :, 2] == value, 2].unique()) == 1
    assert (label[x[0, :, 0].argsort(), 0].diff() >= 0).all()


def test_the_diagonal_is_the_entropy(series):
    got = mutual_information(series[:1], 5)[0].diagonal()
    torch.testing.assert_close(got, torch.full((5,), np.log(5)).float())
    assert (normalised_mutual_information(series).diagonal(dim1=1, dim2=2) == 1).all()


def test_dependence_without_correlation_is_seen():
    x = np.random.default_rng(2).normal(size=(2000, 1))
    x = np.concatenate([x, x**2, np.random.default_rng(3).normal(size=(2000, 1))], 1)
    information = mutual_information(x)[0]
    assert gaussian_information(x)[0, 0, 1] < 0.01
    assert information[0, 1] > 0.5
    assert information[0, 2] < 0.02  # the bias is 16 / 4000


def test_gaussian_information_is_the_closed_form(series):
    r = correlation(series, dtype=torch.float64).numpy()
    got = gaussian_information(series, dtype=torch.float64)
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_allclose(got[:, off], -0.5 * np.log(1 - r[:, off] ** 2), rtol=1e-9, atol=1e-12)
    twin = np.concatenate([series[0], -series[0][:, :1]], 1)
    assert 7.6 < gaussian_information(twin)[0, 0, 5] < 7.8
    torch.testing.assert_close(gaussian_information(twin)[0, 0, 0], gaussian_information(twin)[0, 0, 5])


def test_histograms_reach_the_gaussian_value_from_below_with_many_frames():
    rng = np.random.default_rng(4)
    x = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=20_000)
    expected = -0.5 * np.log(1 - 0.64)
    assert 0.9 * expected < float(mutual_information(x, 16)[0, 0, 1]) < 1.02 * expected


@pytest.mark.parametrize("measure", MEASURES)
def test_float32_gives_the_same_to_single_precision(series, measure):
    single = [x.astype(np.float32) for x in series]
    assert measure(single).dtype == torch.float32
    off = ~np.eye(5, dtype=bool)
    expected = measure(series, dtype=torch.float64).float()
    torch.testing.assert_close(measure(single)[:, off], expected[:, off], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_mask_gives_the_values_of_the_usable_regions(series, measure):
    usable = np.ones((4, 5), bool)
    usable[0, [1, 4]] = False
    keep = usable[0]
    alone = measure(series[0][:, keep])[0]
    series[0][:, 1], series[0][:, 4] = np.nan, 5.0
    got = measure(series, usable=usable)[0]
    torch.testing.assert_close(got[keep][:, keep], alone)
    expected = torch.eye(5) if measure is normalised_mutual_information else torch.zeros(5, 5)
    torch.testing.assert_close(got[~keep], expected[~keep], rtol=0, atol=0)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_subject_does_not_depend_on_the_others(series, measure):
    torch.testing.assert_close(measure(series), torch.cat([measure(x) for x in series]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("measure", [mutual_information, normalised_mutual_information])
def test_bad_bins_are_named(series, measure):
    with pytest.raises(InvalidOption, match="bins"):
        measure(series, 1)
    with pytest.raises(InvalidOption, match="whole"):
        measure(series, 2.5)
    with pytest.raises(ShortSeries, match=r"series\[1\] has 61 frames for 70 bins"):
        measure(series, 70)


@pytest.mark.parametrize("measure", MEASURES)
def test_bad_series_are_named(series, measure):
    series[1][:, 2] = 4.0
    with pytest.raises(UnusableRegion, match=r"series\[1\], region 2"):
        measure(series)
    series[1][4, 2] = np.nan
    with pytest.raises(NonFinite, match=r"series\[1\]"):
        measure(series)


@settings(max_examples=60, deadline=None)
@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 2), st.integers(2, 7), st.integers(1, 3)),
        elements=st.floats(width=32),
    ),
    measure=st.sampled_from(MEASURES),
)
def test_a_number_or_a_named_error_comes_out(x, measure):
    with np.errstate(all="ignore"):
        usable = np.isfinite(x).all(1) & (np.ptp(x, axis=1) > 0)
    for mask in (None, usable):
        try:
            got = measure(x, usable=mask) if measure is gaussian_information else measure(x, 2, usable=mask)
        except GraphFuseError:
            continue
        assert got.isfinite().all()
        torch.testing.assert_close(got, got.mT, rtol=0, atol=0)
        assert (got.amin() >= 0) & (got.amax() < 8)
