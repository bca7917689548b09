from __future__ import annotations

from hashlib import sha256

import pytest

from graphfuse.errors import ManifestError, UnreadableFile
from graphfuse.read.checksums import verify


@pytest.fixture
def declared(tmp_path):
    (tmp_path / "a b.csv").write_bytes(b"1,2\n")
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(f"{sha256(b'1,2' + bytes([10])).hexdigest()}  ./a b.csv\n")
    return tmp_path, sums


def test_a_file_as_it_was_declared_passes(declared):
    root, sums = declared
    verify(root / "a b.csv", sums, root)
    verify(root / "a b.csv", None, root)


def test_a_changed_an_undeclared_and_an_outside_file_are_errors(declared):
    root, sums = declared
    (root / "a b.csv").write_bytes(b"1,3\n")
    with pytest.raises(UnreadableFile, match="changed or damaged"):
        verify(root / "a b.csv", sums, root)
    (root / "b.csv").write_bytes(b"1,2\n")
    for path in (root / "b.csv", root.parent / "c.csv"):
        with pytest.raises(UnreadableFile, match="no sha256 among"):
            verify(path, sums, root)


def test_a_list_that_is_none(declared):
    root, sums = declared
    sums.write_text("no sum at all\n")
    with pytest.raises(ManifestError, match="Line 1"):
        verify(root / "a b.csv", sums, root)
    sums.unlink()
    with pytest.raises(UnreadableFile, match="cannot be opened"):
        verify(root / "a b.csv", sums, root)
