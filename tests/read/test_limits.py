from __future__ import annotations

import os

import pytest

from graphfuse.errors import UnreadableFile
from graphfuse.read import limits
from graphfuse.read.limits import check_bytes, check_size
from graphfuse.read.matrix import read_matrix
from graphfuse.read.tables import read_table


def test_the_size_of_a_regular_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert check_size(path, 5) == 5
    with pytest.raises(UnreadableFile, match="GiB"):
        check_size(path, 4)


def test_what_is_no_regular_file(tmp_path):
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, words in {
        "none": "cannot be opened",
        "empty": "empty",
        "pipe": "pipe",
        ".": "folder",
        "a\0b": "path",
    }.items():
        with pytest.raises(UnreadableFile, match=words):
            check_size(tmp_path / name, 9)


def test_a_promise_beyond_the_cap():
    check_bytes(10, 10)
    with pytest.raises(UnreadableFile, match="would take 3 GiB; at most 2"):
        check_bytes(3 << 30, 2 << 30, "thing")


def test_a_sparse_file_beyond_the_cap_is_not_read(tmp_path):
    for name, cap, read in (
        ("a.csv", limits.TABLE_BYTES, read_table),
        ("a.1D", limits.TABLE_BYTES, read_matrix),
        ("a.npy", limits.MATRIX_BYTES, read_matrix),
        ("a.mat", limits.MATRIX_BYTES, read_matrix),
    ):
        with (tmp_path / name).open("wb") as file:
            file.truncate(cap + 1)  # takes no room on the disk
        with pytest.raises(UnreadableFile, match="at most"):
            read(tmp_path / name)
