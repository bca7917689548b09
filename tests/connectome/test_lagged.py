from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphfuse.connectome import correlation
from graphfuse.connectome.lagged import lagged_correlation
from graphfuse.errors import GraphFuseError, InvalidOption, NonFinite, ShortSeries, UnusableRegion


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(t, 5)).cumsum(0) + 100 for t in (40, 25, 40, 31)]


def _loop(x, max_lag):
    """Value and lag of each pair, the long way: every lag by numpy.correlate's definition."""
    n_frames, n_regions = x.shape
    z = (x - x.mean(0)) / x.std(0)
    value, lag = np.eye(n_regions), np.zeros((n_regions, n_regions), int)
    for i in range(n_regions):
        for j in range(n_regions):
            full = np.correlate(z[:, j], z[:, i], "full") / n_frames  # lags -(T - 1) .. T - 1 of j behind i
            centre = n_frames - 1
            window = full[centre - max_lag : centre + max_lag + 1]
            at = np.abs(window).argmax()
            if i != j:
                value[i, j], lag[i, j] = window[at], at - max_lag
    return value, lag


@pytest.mark.parametrize("max_lag", [0, 1, 6])
def test_equals_a_loop_over_lags(series, max_lag):
    got = lagged_correlation(series, max_lag, dtype=torch.float64)
    for value, lag, x in zip(got.value, got.lag, series, strict=True):
        expected_value, expected_lag = _loop(x, max_lag)
        np.testing.assert_allclose(value, expected_value, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(lag, expected_lag)


def test_a_region_that_runs_three_frames_behind_has_a_lag_of_three():
    driver = np.random.default_rng(1).normal(size=203)
    x = np.stack([driver[3:], driver[:-3], -driver[3:]], 1)  # region 1 repeats region 0 three frames later
    value, lag = lagged_correlation(x, 5)
    assert lag[0, 0, 1] == 3
    assert lag[0, 1, 0] == -3
    assert value[0, 0, 1] > 0.95
    assert value[0, 1, 2] < -0.95
    assert lag[0, 0, 2] == 0


def test_no_lag_gives_the_correlation(series):
    got = lagged_correlation(series, 0)
    torch.testing.assert_close(got.value, correlation(series), rtol=1e-5, atol=1e-6)
    assert not got.lag.any()


def test_values_are_symmetric_and_lags_antisymmetric_with_ties_too():
    square = np.tile([1.0, 1, -1, -1], 6)
    x = np.stack([square, np.roll(square, 1), np.roll(square, 2), -square], 1)
    value, lag = lagged_correlation(np.stack([x, x[::-1]]), 4)
    torch.testing.assert_close(value, value.mT, rtol=0, atol=0)
    assert (lag == -lag.mT).all()
    assert (value.diagonal(dim1=1, dim2=2) == 1).all()
    assert (lag[0, 0, 3], lag[0, 0, 1].abs()) == (0, 1)


def test_a_mask_gives_the_values_of_the_usable_regions(series):
    usable = np.ones((4, 5), bool)
    usable[0, [1, 4]] = False
    keep = usable[0]
    alone = lagged_correlation(series[0][:, keep], 3)
    series[0][:, 1], series[0][:, 4] = np.nan, 5.0
    value, lag = lagged_correlation(series, 3, usable=usable)
    torch.testing.assert_close(value[0][keep][:, keep], alone.value[0])
    assert (lag[0][keep][:, keep] == alone.lag[0]).all()
    torch.testing.assert_close(value[0][~keep], torch.eye(5)[~keep], rtol=0, atol=0)
    assert not lag[0][~keep].any()


def test_a_subject_does_not_depend_on_the_others(series):
    together = lagged_correlation(series, 3)
    for i, x in enumerate(series):
        torch.testing.assert_close(together.value[i : i + 1], lagged_correlation(x, 3).value, rtol=1e-6, atol=1e-6)


def test_bad_input_is_named(series):
    with pytest.raises(InvalidOption, match="max_lag"):
        lagged_correlation(series, -1)
    with pytest.raises(InvalidOption, match="whole"):
        lagged_correlation(series, 1.5)
    with pytest.raises(ShortSeries, match=r"series\[1\] has 25 frames; max_lag = 30 needs 32"):
        lagged_correlation(series, 30)
    series[2][:, 0] = 1
    with pytest.raises(UnusableRegion, match=r"series\[2\], region 0"):
        lagged_correlation(series, 3)
    with pytest.raises(NonFinite, match=r"series\[1\].*too large"):
        lagged_correlation([series[0], np.array([[-1.7e308] * 5, [1.7e308] * 5, [0] * 5])], 0, dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 2), st.integers(2, 7), st.integers(1, 3)),
        elements=st.floats(width=32),
    ),
    max_lag=st.integers(0, 3),
)
def test_a_number_or_a_named_error_comes_out(x, max_lag):
    with np.errstate(all="ignore"):
        usable = np.isfinite(x).all(1) & (np.ptp(x, axis=1) > 0)
    for mask in (None, usable):
        try:
            got = lagged_correlation(x, max_lag, usable=mask).value
        except GraphFuseError:
            continue
        assert got.isfinite().all()
        torch.testing.assert_close(got, got.mT, rtol=0, atol=0)
        assert got.abs().max() <= 1
