from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.connectome import windows as module
from graphfuse.connectome.windows import (
    TAPERS,
    iterate_connectivity,
    packed_connectivity,
    sliding_connectivity,
    sliding_windows,
    taper_weights,
)
from graphfuse.errors import InvalidOption, MemoryBudget, NonFinite, ShapeMismatch, ShortSeries, UnusableRegion


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 50, 20)) @ rng.normal(size=(20, 20)) + 100


def _loop(x, length, step, kind, weights):
    """One window after the other, with numpy's weighted means."""
    result = []
    for start in range(0, len(x) - length + 1, step):
        y = x[start : start + length]
        y = y - np.average(y, axis=0, weights=weights)
        covariance = np.array([[np.average(a * b, weights=weights) for a in y.T] for b in y.T])
        scale = np.sqrt(np.diag(covariance)) if kind == "correlation" else np.ones(y.shape[1])
        result.append(covariance / scale[:, None] / scale)
    return np.array(result)


def test_windows_are_full_and_evenly_spaced():
    assert sliding_windows(10, 4, 3).tolist() == [0, 3, 6]
    assert sliding_windows(5, 5).tolist() == [0]
    assert len(sliding_windows(176, 40, 2)) == 69


@pytest.mark.parametrize("taper", [None, *TAPERS])
@pytest.mark.parametrize("kind", ["correlation", "covariance"])
@pytest.mark.parametrize(("length", "step"), [(12, 1), (13, 3), (12, 8), (50, 1)])
def test_equals_a_loop(series, length, step, kind, taper):
    weights = taper_weights(taper, length).numpy()
    got = sliding_connectivity(series, length, step, kind, taper, dtype=torch.float64)
    expected = np.array([_loop(x, length, step, kind, weights) for x in series])
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11)
    assert torch.equal(got, got.mT)
    single = sliding_connectivity(series.astype(np.float32), length, step, kind, taper)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_equals_numpys_corrcoef(series):
    got = sliding_connectivity(series, 9, 2, dtype=torch.float64)
    expected = [[np.corrcoef(x[s : s + 9].T) for s in sliding_windows(50, 9, 2)] for x in series]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert (got.diagonal(dim1=2, dim2=3) == 1).all()
    assert got.abs().max() == 1


def test_weights_may_be_given_and_need_no_sum_of_one(series):
    expected = sliding_connectivity(series, 7, 2, taper="hamming")
    assert torch.equal(sliding_connectivity(series, 7, 2, taper=np.hamming(7)), expected)
    ones = sliding_connectivity(series, 7, 7, taper=np.full(7, 1e200), dtype=torch.float64)
    torch.testing.assert_close(ones, sliding_connectivity(series, 7, 7, dtype=torch.float64))


@pytest.mark.parametrize("taper", TAPERS)
def test_tapers_sum_to_one_are_symmetric_and_fall_to_the_ends(taper):
    for length in (2, 9, 10):
        weights = taper_weights(taper, length)
        torch.testing.assert_close(weights, weights.flip(0))
        assert float(weights.sum()) == pytest.approx(1)
        assert (weights > 0).all()
        assert (weights[: length // 2].diff() > 0).all()


@pytest.mark.parametrize("step", [1, 6])
@pytest.mark.parametrize("taper", [None, "hamming"])
def test_a_region_that_is_constant_in_a_window_correlates_with_nothing(series, step, taper):
    series[1, 10:30, 4] = series[1, 10, 4]
    got = sliding_connectivity(series, 8, step, taper=taper)
    starts = sliding_windows(50, 8, step)
    still = torch.as_tensor((starts >= 10) & (starts + 8 <= 30))
    others = [r for r in range(20) if r != 4]
    assert still.any()
    assert got.isfinite().all()
    assert (got[1, still][:, 4, others] == 0).all()
    assert (got[1, still][:, others, 4] == 0).all()
    assert (got[1, still][:, 4, 4] == 1).all()
    assert (got[1, ~still][:, 4, others] != 0).all()
    assert (sliding_connectivity(series, 8, step, "covariance", taper)[1, still][:, 4] == 0).all()


@pytest.mark.parametrize("size", [1e3, 1e6, 1e9])
def test_what_was_loud_once_does_not_spoil_the_quiet_windows(series, size):
    series[0, :3] *= size
    got = sliding_connectivity(series, 12, 1, dtype=torch.float64)
    expected = [[np.corrcoef(x[s : s + 12].T) for s in range(39)] for x in series]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_units_do_not_matter(series, scale):
    torch.testing.assert_close(
        sliding_connectivity(series * scale, 12), sliding_connectivity(series, 12), rtol=0, atol=1e-6
    )


def test_unusable_regions_influence_nothing(series):
    usable = np.ones((3, 20), bool)
    usable[1, 3] = False
    expected = sliding_connectivity(series, 12)
    series[1, :, 3] = np.nan
    got = sliding_connectivity(series, 12, usable=usable)
    others = [r for r in range(20) if r != 3]
    torch.testing.assert_close(got[1][:, others][:, :, others], expected[1][:, others][:, :, others])
    assert (got[1, :, 3] == torch.eye(20)[3]).all()
    assert torch.equal(got[0], expected[0])


def test_unequal_lengths_are_packed(series):
    parts = [series[0], series[1][:30], series[2][:41]]
    matrices, offsets = packed_connectivity(parts, length=[10, 5, 10], step=[2, 5, 1])
    assert offsets.tolist() == [0, 21, 27, 59]
    for i, (length, step) in enumerate([(10, 2), (5, 5), (10, 1)]):
        alone = sliding_connectivity(parts[i], length, step)[0]
        assert torch.equal(matrices[offsets[i] : offsets[i + 1]], alone)


def test_streaming_gives_the_same_subject_by_subject(series):
    parts = [series[0], series[1][:30], series[2]]
    matrices, offsets = packed_connectivity(parts, 8, 2)
    seen = {}
    for row, values in iterate_connectivity(parts, 8, 2):
        seen[row] = values.clone()
        del values
    assert sorted(seen) == [0, 1, 2]
    for row, values in seen.items():
        assert torch.equal(values, matrices[offsets[row] : offsets[row + 1]])


def test_the_number_of_threads_changes_no_bit():
    x = torch.randn(2, 60, 150, generator=torch.Generator().manual_seed(0))
    threads, results = torch.get_num_threads(), []
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            results.append(sliding_connectivity(x, 20, 2, dtype=torch.float64))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_a_result_that_memory_does_not_hold_is_refused(series, monkeypatch):
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "1e-6")
    with pytest.raises(MemoryBudget, match="iterate_connectivity"):
        sliding_connectivity(series, 12)


def test_errors_are_named(series):
    with pytest.raises(ShortSeries, match="51"):
        sliding_connectivity(series, 51)
    with pytest.raises(InvalidOption, match="length"):
        sliding_windows(10, 1)
    with pytest.raises(InvalidOption, match="step"):
        sliding_connectivity(series, 10, 0)
    with pytest.raises(InvalidOption, match="kind"):
        sliding_connectivity(series, 10, kind="partial")
    with pytest.raises(InvalidOption, match="hamming"):
        sliding_connectivity(series, 10, taper="haming")
    with pytest.raises(InvalidOption, match="two of them"):
        sliding_connectivity(series, 10, taper=np.eye(10)[3])
    with pytest.raises(ShapeMismatch, match="taper"):
        taper_weights(np.ones(9), 10)
    with pytest.raises(ShapeMismatch, match="packed_connectivity"):
        sliding_connectivity([series[0], series[1][:30]], 10)
    with pytest.raises(InvalidOption, match="dtype"):
        sliding_connectivity(series, 10, dtype=torch.int32)
    with pytest.raises(NonFinite, match="too large"):
        sliding_connectivity(series * 1e30, 10, kind="covariance")
    constant = series.copy()
    constant[1, :, 2] = 5
    with pytest.raises(UnusableRegion, match="usable"):
        sliding_connectivity(constant, 10)


def test_no_taper_has_a_weight_of_zero_that_would_shorten_the_window():
    assert all((module.taper_weights(taper, 40) > 0).all() for taper in TAPERS)
