from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, InvalidOption, UnreadableFile, UnusableRegion
from graphfuse.read.regions import apply_policy, find_columns, place_regions, plain_name
from graphfuse.signal import Signal


@pytest.fixture
def atlas():
    frame = pd.DataFrame(
        {"x": [-1.0, -2, 1, 2], "y": 0.0, "z": 0.0, "label": [1, 2, 3, 5]}, index=["lh_A", "lh_B", "rh_A", "rh_B"]
    )
    return Atlas("four", frame)


def test_columns_by_label_by_name_and_with_strangers(atlas):
    assert find_columns(["5", "3", "2", "1", "9"], atlas).tolist() == [3, 2, 1, 0]
    assert find_columns(["1.0", "2.0", "3.0", "5.0"], atlas).tolist() == [0, 1, 2, 3]
    assert find_columns(["RH-b", "lh a", "LH_B"], atlas).tolist() == [1, 2, -1, 0]


def test_headers_that_only_count_are_positions(atlas):
    assert find_columns(["0", "1", "2", "3"], atlas).tolist() == [0, 1, 2, 3]  # not labels 1, 2, 3 shifted by one
    assert find_columns(["1", "2", "3", "4"], atlas).tolist() == [0, 1, 2, 3]
    with pytest.raises(AtlasMismatch, match="3 columns"):
        find_columns(["0", "1", "2"], atlas)


def test_wrong_atlas_and_repeated_columns(atlas):
    with pytest.raises(AtlasMismatch, match="1 of the 4"):
        find_columns(["rh_A", "other", "third", "fourth"], atlas)
    with pytest.raises(UnreadableFile, match="twice"):
        find_columns(["1", "2", "3", "5", "5"], atlas)


def test_absent_regions_are_nan_and_keep_their_place(atlas):
    placed = place_regions(np.arange(6.0).reshape(2, 3), ["5", "99", "1"], atlas)
    np.testing.assert_array_equal(placed, [[2, np.nan, np.nan, 0], [5, np.nan, np.nan, 3]])
    with pytest.raises(AtlasMismatch, match="3 columns"):
        place_regions(np.ones((2, 3)), None, atlas)


def test_plain_names():
    assert plain_name("lh_G&S_cingul-Ant") == plain_name("LH G_and_S_cingul-Ant") == "lhgandscingulant"


def signals(atlas, kind="timeseries"):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(40, 4)) for _ in range(4)]
    arrays[1][:, 2] = 7.0
    arrays[2][:] = 0
    arrays[3] = None
    return Signal.pack(kind, arrays, atlas)


def test_mask_and_exclude_subject(atlas):
    signal, faults = apply_policy(signals(atlas), "mask")
    assert list(faults) == [2]  # nothing is left of this one
    assert signal.n_regions == 4
    signal, faults = apply_policy(signals(atlas), "exclude-subject")
    assert list(faults) == [1, 2]
    assert isinstance(faults[1], UnusableRegion)
    assert "rh_A" in str(faults[1])


def test_drop_region_everywhere(atlas):
    before = signals(atlas)
    signal, faults = apply_policy(before, "drop-region")
    assert list(faults) == [2]
    assert signal.names == ["lh_A", "lh_B", "rh_B"]
    np.testing.assert_array_equal(signal[0], before[0][:, [0, 1, 3]])
    assert signal.usable.shape == (4, 3)


def test_drop_region_of_a_connectome_drops_row_and_column(atlas):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(4, 4)) for _ in range(2)]
    arrays = [a + a.T for a in arrays]
    arrays[1][1] = arrays[1][:, 1] = 0
    signal, _ = apply_policy(Signal.pack("connectivity", arrays, atlas), "drop-region")
    np.testing.assert_allclose(signal[0], arrays[0][np.ix_([0, 2, 3], [0, 2, 3])], rtol=1e-6)


def test_policy_errors(atlas):
    with pytest.raises(InvalidOption, match="drop-region"):
        apply_policy(signals(atlas), "drop")
    arrays = [np.random.default_rng(0).normal(size=(40, 4)) for _ in range(2)]
    arrays[0][:, :2] = 0
    arrays[1][:, 2:] = 0
    with pytest.raises(UnusableRegion, match="leave none"):
        apply_policy(Signal.pack("timeseries", arrays, atlas), "drop-region")
