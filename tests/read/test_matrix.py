from __future__ import annotations

import numpy as np
import pytest
from scipy.io import savemat

from graphfuse.errors import UnreadableFile
from graphfuse.read.matrix import read_matrix


def put(tmp_path, text: str, name: str = "a.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("#10\t#20\n1.5\t2\n3\t4\n", ["10", "20"]),
        ("# made by 3dROIstats\n# 10 20\n1.5 2\n3 4\n", ["10", "20"]),
        ("a,b\n1.5,2\n3,4\n", ["a", "b"]),
        ("1.5,2\n3,4\n", None),
        ("1,5;2\n3;4\n", None),
        (",a,b\n0,1.5,2\n1,3,4\n", ["a", "b"]),
        ('"a","b"\n1.5,2\n3,4', ["a", "b"]),
        ("  1.5   2\n 3 4\n\n", None),
    ],
    ids=["1D", "afni", "csv", "bare", "decimal-comma", "index", "quoted", "spaces"],
)
def test_text_matrices(tmp_path, text, header):
    array, names = read_matrix(put(tmp_path, text))
    np.testing.assert_array_equal(array, [[1.5, 2], [3, 4]])
    assert names == header


def test_a_line_of_counted_columns_or_of_atlas_labels_is_a_header(tmp_path):
    path = put(tmp_path, "0,1,2\n5,6,7\n")
    assert read_matrix(path)[1] == ["0", "1", "2"]
    path = put(tmp_path, "10,30,20\n5,6,7\n")
    assert read_matrix(path)[0].shape == (2, 3)
    assert read_matrix(path, labels=["10", "20", "30", "40"])[1] == ["10", "30", "20"]


def test_blanks_and_nan_are_not_a_number(tmp_path):
    array, _ = read_matrix(put(tmp_path, "n/a,2\n,4\nnan,inf\n"))
    assert np.isnan(array[:, 0]).all()
    assert np.isinf(array[2, 1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1.5,2,3\n4,5\n", "line 2 has 2 of 3"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 of 2"),
        ("1,2\n3,x\n", "words"),
        ("a,b\n", "no numbers"),
        ("  \n", "empty"),
        ("a,b\n1,2,3\n", "header names 2"),
        ("1,5;2.5\n3;4\n", "points and commas"),
    ],
)
def test_torn_text_is_an_error(tmp_path, text, words):
    with pytest.raises(UnreadableFile, match=words):
        read_matrix(put(tmp_path, text))


def test_npy_round_trip_truncation_and_objects(tmp_path):
    array = np.random.default_rng(0).normal(size=(5, 3))
    path = tmp_path / "a.npy"
    np.save(path, array)
    np.testing.assert_array_equal(read_matrix(path)[0], array)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UnreadableFile, match="truncated"):
        read_matrix(path)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableFile):
        read_matrix(path)
    np.save(path, np.ones((2, 2), complex))
    with pytest.raises(UnreadableFile, match="real"):
        read_matrix(path)
    np.save(path, np.ones((2, 2, 2)))
    with pytest.raises(UnreadableFile, match="two axes"):
        read_matrix(path)


def test_mat_takes_the_only_matrix_or_the_named_one(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"ts": np.arange(6.0).reshape(3, 2), "tr": 2.0})
    np.testing.assert_array_equal(read_matrix(path)[0], np.arange(6.0).reshape(3, 2))
    savemat(path, {"a": np.eye(2), "b": np.ones((2, 2))})
    with pytest.raises(UnreadableFile, match=r"2 matrices \(a, b\)"):
        read_matrix(path)
    np.testing.assert_array_equal(read_matrix(path, "b")[0], np.ones((2, 2)))
    with pytest.raises(UnreadableFile, match="no variable 'c'"):
        read_matrix(path, "c")


def test_mat_that_is_none_or_too_new(tmp_path):
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + b" " * 200)
    with pytest.raises(UnreadableFile, match="-v7"):
        read_matrix(path)
    path.write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(UnreadableFile, match=r"no \.mat"):
        read_matrix(path)
    with pytest.raises(UnreadableFile, match="must end in"):
        read_matrix(tmp_path / "a.xlsx")
    with pytest.raises(UnreadableFile, match="cannot be opened"):
        read_matrix(tmp_path / "none.mat")
