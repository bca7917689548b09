from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, InvalidOption, NonFinite, ShapeMismatch
from graphfuse.signal import Signal

RNG = np.random.default_rng(0)


@pytest.fixture
def arrays():
    return [RNG.normal(size=(20, 3)), None, RNG.normal(size=(25, 3)), RNG.normal(size=(30, 3))]


def atlas(n):
    return Atlas("small", pd.DataFrame({"x": 0.0, "y": 0.0, "z": 0.0}, index=[f"r{i}" for i in range(n)]))


def test_pack_gives_views_in_order(arrays):
    signal = Signal.pack("timeseries", arrays)
    assert len(signal) == 4
    assert signal.present.tolist() == [True, False, True, True]
    assert signal[1] is None
    for i in (0, 2, 3):
        np.testing.assert_array_equal(signal[i], np.float32(arrays[i]))
        assert np.shares_memory(signal[i], signal.data)
    assert repr(signal) == "3 x 3"
    assert [len(a) for a in signal.arrays()] == [20, 25, 30]


@pytest.mark.parametrize("rows", [[3, 0], slice(1, 3), np.array([True, False, False, True]), [2, 2]])
def test_rows_share_memory_and_keep_their_subject(arrays, rows):
    signal = Signal.pack("timeseries", arrays, t_r=np.array([1.0, 2, 3, 4]))
    part = signal[rows]
    for i, k in enumerate(np.arange(4)[rows]):
        assert part.t_r[i] == k + 1
        if arrays[k] is not None:
            np.testing.assert_array_equal(part[i], np.float32(arrays[k]))
    assert np.shares_memory(part.data, signal.data)


def test_last_subject_by_a_negative_index(arrays):
    np.testing.assert_array_equal(Signal.pack("timeseries", arrays)[-1], np.float32(arrays[-1]))


def test_unusable_regions_are_masked_and_no_nan_stays():
    arrays = [RNG.normal(size=(20, 3)) for _ in range(3)]
    arrays[0][:, 0] = 5
    arrays[1][3, 1] = np.nan
    arrays[2][3, 2] = np.inf
    signal = Signal.pack("timeseries", arrays, atlas(3))
    assert (~signal.usable).astype(int).tolist() == np.eye(3, dtype=int).tolist()
    assert np.isfinite(signal.data).all()
    table = signal.unusable(pd.Index(["a", "b", "c"]))
    assert table[["subject", "region"]].to_numpy().tolist() == [["a", "r0"], ["b", "r1"], ["c", "r2"]]


def test_masks_of_measures_and_connectivity():
    measures = RNG.normal(size=(2, 4, 3))
    measures[0, 1], measures[1, 2, 0] = 0, np.nan
    assert Signal.pack("measures", list(measures)).usable.tolist() == [
        [True, False, True, True],
        [True, True, False, True],
    ]
    matrix = np.ones((4, 4))
    matrix[3] = matrix[:, 3] = 0
    matrix[0, 1] = matrix[1, 0] = np.nan
    assert Signal.pack("connectivity", [matrix]).usable.tolist() == [[False, False, True, False]]


def test_pickle_holds_these_subjects_and_nobody_else(arrays):
    signal = Signal.pack("timeseries", arrays, atlas(3), t_r=np.arange(4.0))
    part = pickle.loads(pickle.dumps(signal[[3, 1, 0]]))
    assert len(part.data) == 50
    np.testing.assert_array_equal(part[0], signal[3])
    assert part[1] is None
    np.testing.assert_array_equal(part[2], signal[0])
    assert part.t_r.tolist() == [3, 1, 0]
    assert part.names == ["r0", "r1", "r2"]


@pytest.mark.parametrize("rows", [[2, 0], [0, 0, 2], [1], []])
def test_compact_keeps_values_of_stacked_kinds(rows):
    vectors = [RNG.normal(size=20), None, RNG.normal(size=20)]
    signal = Signal.pack("vector", vectors, columns=[f"v{i}" for i in range(20)])
    compact = signal[rows].compact()
    assert len(compact.data) == sum(vectors[k] is not None for k in rows)
    for i, k in enumerate(rows):
        same = compact[i] is None if vectors[k] is None else np.array_equal(compact[i], np.float32(vectors[k]))
        assert same


def test_repeated_rows_compact_to_copies(arrays):
    signal = Signal.pack("timeseries", arrays)
    compact = signal[[2, 2, 0]].compact()
    np.testing.assert_array_equal(compact[1], signal[2])
    np.testing.assert_array_equal(compact[2], signal[0])


def test_rows_as_long_as_the_data_are_still_compacted():
    arrays = [RNG.normal(size=(10, 2)) for _ in range(2)]
    signal = Signal.pack("timeseries", arrays)
    twice = signal[[0, 0]].compact()  # as many frames as the whole, and none of the second subject
    np.testing.assert_array_equal(twice.data[10:], np.float32(arrays[0]))


def test_fingerprints_tell_scans_apart_and_ignore_short_vectors(arrays):
    marks = Signal.pack("timeseries", [*arrays, arrays[0].copy()]).fingerprints()
    assert marks[0] == marks[4]
    assert marks[1] is None
    assert len({marks[0], marks[2], marks[3]}) == 3
    assert Signal.pack("vector", [np.ones(2), np.ones(2)]).fingerprints().tolist() == [None, None]


def test_stack():
    signal = Signal.pack("vector", [np.arange(20.0), None, np.ones(20)])
    assert signal[[2, 1, 0]].stack()[:, 0].tolist() == [1.0, 0.0]
    with pytest.raises(ShapeMismatch, match="arrays"):
        Signal.pack("timeseries", [np.ones((4, 2))]).stack()


@pytest.mark.parametrize("kind", ["timeseries", "measures", "connectivity", "vector", "volume"])
def test_nobody_measured(kind):
    signal = Signal.pack(kind, [None, None], atlas(4), columns=("a", "b"))
    assert not signal.present.any()
    assert signal[0] is None
    assert len(signal.arrays()) == 0
    assert signal.n_regions == {"vector": 2, "volume": 0}.get(kind, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_what_has_no_regions_to_mask_must_be_finite(value):
    with np.errstate(over="ignore"), pytest.raises(NonFinite, match="1 of 6 entries"):
        Signal.pack("vector", [np.array([1.0, value, 2]), None, np.ones(3)])


def test_errors(arrays):
    with pytest.raises(InvalidOption, match="Did you mean 'timeseries'"):
        Signal.pack("timeserie", arrays)
    with pytest.raises(ShapeMismatch, match="same shape"):
        Signal.pack("timeseries", [np.ones((4, 2)), np.ones((4, 3))])
    with pytest.raises(ShapeMismatch, match="same shape"):
        Signal.pack("vector", [np.ones((4, 2))])
    with pytest.raises(AtlasMismatch, match="3 regions; atlas 'small' has 4"):
        Signal.pack("timeseries", arrays, atlas(4))
    with pytest.raises(ShapeMismatch, match="2 axes"):
        Signal("timeseries", np.ones(4), np.array([0]), np.array([4]))
    with pytest.raises(TypeError):
        iter(Signal.pack("timeseries", arrays))
