from __future__ import annotations

import numpy as np
import pytest
import torch

from graphfuse.connectome import series as module
from graphfuse.connectome.series import equal_length_batches
from graphfuse.errors import MissingModality, NonFinite, ShapeMismatch, ShortSeries, UnusableRegion


@pytest.fixture
def series():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(t, 4)) for t in (9, 5, 9, 7, 5)]


def test_every_subject_comes_once_unchanged(series):
    seen = {}
    for batch in equal_length_batches(series):
        assert len({len(series[i]) for i in batch.rows}) == 1
        seen |= dict(zip(batch.rows, batch.x, strict=True))
    assert sorted(seen) == [0, 1, 2, 3, 4]
    for i, x in seen.items():
        np.testing.assert_array_equal(x.numpy(), series[i])


def test_batches_are_bounded(series, monkeypatch):
    monkeypatch.setattr(module, "BATCH_NUMBERS", 1)
    assert [batch.rows for batch in equal_length_batches(series)] == [[1], [4], [3], [0], [2]]


def test_masked_columns_are_zero_whatever_they_hold(series):
    series[0][:, 2] = np.nan
    series[2][:, 1] = 3.0
    usable = np.ones((5, 4), bool)
    usable[0, 2] = usable[2, 1] = False
    batch = next(b for b in equal_length_batches(series, usable) if 0 in b.rows)
    assert batch.rows == [0, 2]
    assert (batch.x[0, :, 2] == 0).all()
    assert (batch.x[1, :, 1] == 0).all()


def test_one_subject_a_tensor_and_a_read_only_map_are_series(series):
    assert next(equal_length_batches(series[0])).x.shape == (1, 9, 4)
    assert next(equal_length_batches(torch.randn(3, 6, 4))).x.shape == (3, 6, 4)
    frozen = series[0].copy()
    frozen.flags.writeable = False
    assert next(equal_length_batches([frozen])).x.shape == (1, 9, 4)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda s: s.__setitem__(2, None), MissingModality, r"series\[2\]"),
        (lambda s: s.__setitem__(2, s[2][:1]), ShortSeries, r"series\[2\] needs at least 2 frames; got 1"),
        (lambda s: s.__setitem__(2, s[2][:, :3]), ShapeMismatch, r"series\[2\]"),
        (lambda s: s.clear(), ShapeMismatch, "at least one"),
        (lambda s: s[2].__setitem__((1, 3), np.inf), NonFinite, r"series\[2\].*region 3"),
        (lambda s: s[2].__setitem__((slice(None), 3), 7.0), UnusableRegion, r"series\[2\], region 3 is constant"),
    ],
)
def test_what_is_wrong_is_named(series, change, error, words):
    change(series)
    with pytest.raises(error, match=words):
        list(equal_length_batches(series))


def test_a_mask_must_fit_and_leave_a_region(series):
    with pytest.raises(ShapeMismatch, match="usable"):
        list(equal_length_batches(series, np.ones((5, 3), bool)))
    usable = np.ones((5, 4), bool)
    usable[3] = False
    with pytest.raises(UnusableRegion, match=r"usable\[3\]"):
        list(equal_length_batches(series, usable))
