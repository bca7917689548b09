from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, ShapeMismatch, ShortSeries, TransposedSeries
from graphfuse.read.series import check_lying, read_connectivity, read_series

RNG = np.random.default_rng(0)


@pytest.fixture
def atlas():
    names = [f"r{i}" for i in range(32)]
    return Atlas("thirty-two", pd.DataFrame({"x": 0.0, "y": 0.0, "z": 0.0, "label": range(101, 133)}, index=names))


def save(tmp_path, array, name="a.npy"):
    np.save(tmp_path / name, array)
    return tmp_path / name


def test_series_in_the_order_of_the_atlas(tmp_path, atlas):
    values = RNG.normal(size=(40, 33))
    order = RNG.permutation(33)
    header = "\t".join(f"#{label}" for label in np.r_[np.arange(101, 133), 3455][order])
    path = tmp_path / "a.1D"
    np.savetxt(path, values[:, order], delimiter="\t", header=header, comments="", fmt="%.9g")
    series = read_series(path, atlas)
    assert series.dtype == np.float32
    np.testing.assert_allclose(series, values[:, :32], rtol=1e-6)


def test_transposed_is_an_error_and_an_option(tmp_path, atlas):
    values = RNG.normal(size=(50, 32))
    path = save(tmp_path, values.T)
    with pytest.raises(TransposedSeries, match="transposed = true"):
        read_series(path, atlas)
    np.testing.assert_allclose(read_series(path, atlas, transposed=True), values, rtol=1e-6)
    with pytest.raises(TransposedSeries, match="wrong here"):
        read_series(save(tmp_path, values), atlas, transposed=True)


def test_as_many_frames_as_regions_is_never_turned(tmp_path, atlas):
    values = RNG.normal(size=(32, 32))
    np.testing.assert_allclose(read_series(save(tmp_path, values), atlas), values, rtol=1e-6)


def test_other_faults_of_a_series(tmp_path, atlas):
    with pytest.raises(AtlasMismatch, match="33 columns"):
        read_series(save(tmp_path, RNG.normal(size=(40, 33))), atlas)
    with pytest.raises(ShortSeries, match="29 frames"):
        read_series(save(tmp_path, RNG.normal(size=(29, 32))), atlas)
    assert len(read_series(save(tmp_path, RNG.normal(size=(29, 32))), atlas, min_frames=10)) == 29
    huge = read_series(save(tmp_path, np.full((30, 32), 1e300)), atlas)
    assert np.isinf(huge).all()


def test_without_an_atlas_common_rows_mean_transposed():
    check_lying([np.ones((30, 4)), np.ones((40, 4))])
    with pytest.raises(TransposedSeries):
        check_lying([np.ones((4, 30)), np.ones((4, 40))])
    with pytest.raises(ShapeMismatch, match="4 to 5"):
        check_lying([np.ones((30, 4)), np.ones((31, 5))])


def test_connectivity_is_square_symmetric_and_placed(tmp_path, atlas):
    half = RNG.normal(size=(32, 32))
    matrix = half + half.T
    np.testing.assert_allclose(read_connectivity(save(tmp_path, matrix), atlas), matrix, rtol=1e-6)
    order = RNG.permutation(32)
    path = tmp_path / "w.csv"
    pd.DataFrame(matrix[np.ix_(order, order)], columns=np.arange(101, 133)[order]).to_csv(path, index=False)
    np.testing.assert_allclose(read_connectivity(path, atlas), matrix, rtol=1e-6)
    with pytest.raises(ShapeMismatch, match="symmetrise"):
        read_connectivity(save(tmp_path, half), atlas)
    np.testing.assert_allclose(read_connectivity(save(tmp_path, half), atlas, symmetrise=True), matrix / 2, rtol=1e-5)
    with pytest.raises(ShapeMismatch, match="square"):
        read_connectivity(save(tmp_path, half[:5]), atlas)
    with pytest.raises(AtlasMismatch, match="31 regions"):
        read_connectivity(save(tmp_path, matrix[:31, :31]), atlas)


def test_connectivity_keeps_nan_for_the_mask(tmp_path):
    matrix = np.ones((3, 3))
    matrix[0, 1] = matrix[1, 0] = np.inf
    assert np.isnan(read_connectivity(save(tmp_path, matrix))[0, 1])
