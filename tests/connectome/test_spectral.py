from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import signal

from graphfuse.connectome.spectral import coherence, phase_locking
from graphfuse.errors import GraphFuseError, InvalidOption, NonFinite, ShapeMismatch, ShortSeries, UnusableRegion

BAND = (0.02, 0.1)


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, 5))
    return [rng.normal(size=(t, 5)) @ mixing + 100 for t in (160, 121, 160, 130)]


def _scipy_coherence(x, t_r, band, length, overlap):
    frequency, values = signal.coherence(
        x.T[:, None], x.T[None], fs=1 / t_r, nperseg=length, noverlap=int(overlap * length)
    )
    return values[..., (frequency > band[0] - 1e-9) & (frequency < band[1] + 1e-9)].mean(-1)


def _phase_loop(x, t_r, band):
    """Band-pass by Fourier bins, scipy's Hilbert transform, and the mean phasor of each pair."""
    spectrum = np.fft.rfft(x - x.mean(0), axis=0)
    frequency = np.fft.rfftfreq(len(x), t_r)
    spectrum[(frequency < band[0] - 1e-9) | (frequency > band[1] + 1e-9)] = 0
    theta = np.angle(signal.hilbert(np.fft.irfft(spectrum, len(x), axis=0), axis=0))
    pairs = range(x.shape[1])
    return np.array([[abs(np.exp(1j * (theta[:, i] - theta[:, j])).mean()) for j in pairs] for i in pairs])


@pytest.mark.parametrize(
    ("t_r", "segment", "overlap", "length"), [(2.0, 60, 0.5, 30), (0.8, 50, 0.25, 62), (2.5, 62, 0, 25)]
)
def test_coherence_equals_scipy_averaged_over_the_band(series, t_r, segment, overlap, length):
    expected = [_scipy_coherence(x, t_r, BAND, length, overlap) for x in series]
    got = coherence(series, t_r, BAND, segment, overlap, dtype=torch.float64)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(got, got.mT, rtol=0, atol=0)
    assert (got.diagonal(dim1=1, dim2=2) == 1).all()


@pytest.mark.parametrize("band", [BAND, (0.05, 0.25)])
def test_phase_locking_equals_a_loop(series, band):
    expected = [_phase_loop(x, 2.0, band) for x in series]
    got = phase_locking(series, 2.0, band, dtype=torch.float64)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(got, got.mT, rtol=0, atol=0)
    assert (got.diagonal(dim1=1, dim2=2) == 1).all()


@pytest.mark.parametrize("measure", [coherence, phase_locking])
def test_only_the_band_counts(measure):
    rng = np.random.default_rng(1)
    seconds = 2.0 * np.arange(400)
    shared = np.sin(2 * np.pi * 0.05 * seconds)[:, None] * 3
    x = rng.normal(size=(400, 2)) + shared
    inside, outside = measure(x, 2.0, (0.04, 0.06))[0, 0, 1], measure(x, 2.0, (0.12, 0.2))[0, 0, 1]
    assert inside > 0.6
    assert outside < 0.3


@pytest.mark.parametrize("measure", [coherence, phase_locking])
def test_each_subject_has_its_own_repetition_time(series, measure):
    t_r = np.array([2.0, 2.5, 3.0, 2.0])
    together = measure(series, t_r, BAND)
    alone = torch.cat([measure(x, seconds, BAND) for x, seconds in zip(series, t_r, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert not torch.equal(together, measure(series, 2.0, BAND))


@pytest.mark.parametrize("measure", [coherence, phase_locking])
def test_float32_gives_the_same_to_single_precision(series, measure):
    single = [x.astype(np.float32) for x in series]
    expected = measure(series, 2.0, BAND, dtype=torch.float64).float()
    torch.testing.assert_close(measure(single, 2.0, BAND), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("measure", [coherence, phase_locking])
def test_a_mask_gives_the_values_of_the_usable_regions(series, measure):
    usable = np.ones((4, 5), bool)
    usable[0, [1, 4]] = False
    keep = usable[0]
    alone = measure(series[0][:, keep], 2.0, BAND)[0]
    series[0][:, 1], series[0][:, 4] = np.nan, 5.0
    got = measure(series, 2.0, BAND, usable=usable)[0]
    torch.testing.assert_close(got[keep][:, keep], alone)
    torch.testing.assert_close(got[~keep], torch.eye(5)[~keep], rtol=0, atol=0)


@pytest.mark.parametrize("measure", [coherence, phase_locking])
def test_bad_bands_and_times_are_named(series, measure):
    with pytest.raises(InvalidOption, match=r"reaches 0.3 Hz.*up to 0.25 Hz"):
        measure(series, 2.0, (0.1, 0.3))
    with pytest.raises(InvalidOption, match=r"no frequency bin of series\[1\]"):
        measure(series, 2.0, (0.0501, 0.0502))
    for band in ((0.1, 0.01), (-0.1, 0.1), (0.01, np.nan)):
        with pytest.raises(InvalidOption, match="low < high"):
            measure(series, 2.0, band)
    with pytest.raises(InvalidOption, match="t_r must be positive"):
        measure(series, [2.0, 2.0, np.nan, 2.0], BAND)
    with pytest.raises(ShapeMismatch, match="t_r"):
        measure(series, [2.0, 2.0], BAND)
    series[3][3, 2] = np.inf
    with pytest.raises(NonFinite, match=r"series\[3\]"):
        measure(series, 2.0, BAND)


def test_what_would_be_one_whatever_the_series_is_refused(series):
    with pytest.raises(ShortSeries, match=r"series\[1\] has 121 frames; two segments of 200 s need 150"):
        coherence(series, 2.0, BAND, segment=200)
    with pytest.raises(ShortSeries, match="one frequency bin"):
        phase_locking(series[1], 2.0, (0.05, 0.054))
    with pytest.raises(InvalidOption, match="overlap"):
        coherence(series, 2.0, BAND, overlap=1)
    with pytest.raises(InvalidOption, match="segment"):
        coherence(series, 2.0, BAND, segment=0)
    with pytest.raises(InvalidOption, match="2 frames or more"):
        coherence(series, 2.0, BAND, segment=0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("measure", [coherence, phase_locking])
def test_a_region_without_power_in_the_band_is_named(series, measure, dtype):
    x = series[0].copy()
    x[:, 3] = np.tile(np.sin(2 * np.pi * 0.4 * np.arange(5)), 32)  # 0.2 Hz: whole periods in series and segments
    with pytest.raises(UnusableRegion, match=r"series\[0\], region 3 has no power in the band"):
        measure(x.astype(np.float32) if dtype is torch.float32 else x, 2.0, (0.03, 0.08), dtype=dtype)


@settings(max_examples=60, deadline=None)
@given(
    x=hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 2), st.integers(2, 40), st.integers(1, 3)),
        elements=st.floats(width=32),
    ),
    measure=st.sampled_from([coherence, phase_locking]),
)
def test_a_number_or_a_named_error_comes_out(x, measure):
    with np.errstate(all="ignore"):
        usable = np.isfinite(x).all(1) & (np.ptp(x, axis=1) > 0)
    for mask in (None, usable):
        try:
            got = measure(x, 4.0, (0.0, 0.12), usable=mask)
        except GraphFuseError:
            continue
        assert got.isfinite().all()
        torch.testing.assert_close(got, got.mT, rtol=0, atol=0)
        assert (got.amin() >= 0) & (got.amax() <= 1)
