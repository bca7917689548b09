from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import rankdata, spearmanr

from graphfuse.connectome.rank import average_ranks, spearman
from graphfuse.errors import GraphFuseError, NonFinite, UnusableRegion


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    return [rng.normal(size=(t, 6)) @ mixing + 100 for t in (40, 25, 40, 31)]


@pytest.mark.parametrize("decimals", [15, 1, 0, -1])
def test_equals_scipy_with_and_without_ties(series, decimals):
    series = [(x - 100).round(decimals) if decimals >= 0 else np.sign(x - 100) for x in series]
    expected = np.stack([spearmanr(x).statistic for x in series])
    got = spearman(series, dtype=torch.float64)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(got, got.mT, rtol=0, atol=0)
    assert (got.diagonal(dim1=1, dim2=2) == 1).all()


def test_float32_gives_the_same_to_single_precision(series):
    single = [x.astype(np.float32) for x in series]
    assert spearman(single).dtype == torch.float32
    torch.testing.assert_close(spearman(single), spearman(series, dtype=torch.float64).float(), rtol=1e-5, atol=1e-6)


def test_a_monotone_change_of_a_region_changes_nothing(series):
    centred = [x - 100 for x in series]
    torch.testing.assert_close(spearman([np.sinh(x) + x for x in centred]), spearman(centred), rtol=0, atol=0)


def test_a_mask_gives_the_correlation_of_the_usable_regions(series):
    usable = np.ones((4, 6), bool)
    usable[0, [1, 4]] = False
    alone = spearman(series[0][:, usable[0]])[0]
    series[0][:, 1], series[0][:, 4] = np.nan, 5.0
    got = spearman(series, usable=usable)[0]
    torch.testing.assert_close(got[usable[0]][:, usable[0]], alone)
    torch.testing.assert_close(got[~usable[0]], torch.eye(6)[~usable[0]], rtol=0, atol=0)


def test_a_subject_does_not_depend_on_the_others(series):
    torch.testing.assert_close(spearman(series), torch.cat([spearman(x) for x in series]), rtol=1e-6, atol=1e-7)


def test_bad_input_is_named(series):
    series[1][:, 2] = 4.0
    with pytest.raises(UnusableRegion, match=r"series\[1\], region 2"):
        spearman(series)
    series[1][0, 2] = np.nan
    with pytest.raises(NonFinite, match=r"series\[1\]"):
        spearman(series)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 2), st.integers(2, 7), st.integers(1, 3)),
                  elements=st.integers(-3, 3)))  # fmt: skip
def test_ranks_equal_scipy(x):
    np.testing.assert_array_equal(average_ranks(torch.from_numpy(x)), rankdata(x, axis=1))


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 2), st.integers(2, 6), st.integers(1, 4))))
def test_a_number_or_a_named_error_comes_out(x):
    try:
        got = spearman(x)
    except GraphFuseError:
        return
    assert got.abs().max() <= 1
