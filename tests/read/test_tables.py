from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from graphfuse.errors import GraphFuseWarning, UnreadableFile
from graphfuse.read.suspicion import warn_of_codes
from graphfuse.read.tables import missing_cells, read_table, same_code, typed_columns


def put(tmp_path, raw: bytes):
    path = tmp_path / "t.csv"
    path.write_bytes(raw)
    return path


TEXT = "id,age,note\n01,2.5,a\n02,3,b;c\n"


@pytest.mark.parametrize(
    "raw",
    [TEXT.encode(), TEXT.encode("utf-8-sig"), TEXT.encode("utf-16"), TEXT.replace("\n", "\r\n").encode()],
    ids=["utf-8", "bom", "utf-16", "crlf"],
)
def test_encodings_read_alike(tmp_path, raw):
    table = typed_columns(read_table(put(tmp_path, raw)))
    assert table["id"].tolist() == ["01", "02"]  # leading zeros keep a column text
    assert table["age"].tolist() == [2.5, 3.0]
    assert table["note"].tolist() == ["a", "b;c"]


def test_decimal_comma_under_semicolons_reads_as_numbers(tmp_path):
    table = typed_columns(read_table(put(tmp_path, b"id;age;n\na;2,5;3\nb;13,25;4\n")))
    assert table["age"].tolist() == [2.5, 13.25]
    assert table["n"].dtype == np.int64


@pytest.mark.parametrize(
    "raw",
    [b"id;v\na;2,238\nb;3,512\n", b"id;v;w\na;2,5;1.5\nb;3,5;2.5\n", b"id;v\na;2,5\nb;3.5\n"],
    ids=["thousands", "two-marks", "mixed-column"],
)
def test_ambiguous_numbers_are_an_error_and_a_word_settles_thousands(tmp_path, raw):
    with pytest.raises(UnreadableFile, match="decimal"):
        typed_columns(read_table(put(tmp_path, raw)))


def test_decimal_option_settles_thousands(tmp_path):
    cells = read_table(put(tmp_path, b"id;v\na;2,238\nb;3,512\n"))
    assert typed_columns(cells, decimal=",")["v"].tolist() == [2.238, 3.512]
    assert typed_columns(cells, decimal=".")["v"].tolist() == ["2,238", "3,512"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n3\n", "Row 3 .* 1 of 2"),
        (b"a,a\n1,2\n", "twice"),
        (b"PK\x03\x04\xff\xfe\x00", "UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "NUL"),
        (b'a,b\n"1,2\n', "clean"),
        (b"a,b;c\n1,2;3\n", "delimiter"),
    ],
)
def test_torn_tables_are_errors(tmp_path, raw, words):
    with pytest.raises(UnreadableFile, match=words):
        read_table(put(tmp_path, raw))


def test_absent_table_is_an_error(tmp_path):
    with pytest.raises(UnreadableFile, match="cannot be opened"):
        read_table(tmp_path / "none.csv")


def test_unnamed_columns_are_dropped_and_quotes_hold_delimiters(tmp_path):
    table = read_table(put(tmp_path, b',Unnamed: 0,id,note\n0,1,a,"x, y"\n'))
    assert table.to_dict("list") == {"id": ["a"], "note": ["x, y"]}


def test_missing_codes_become_nan_and_compare_as_numbers():
    cells = pd.DataFrame({"iq": ["100", "-9999.0", "", "n/a"], "word": ["none", "-9999", "x", "y"]})
    typed = typed_columns(cells, missing=[-9999])
    assert typed["iq"].isna().tolist() == [False, True, True, True]
    assert typed["iq"].iloc[0] == 100
    assert missing_cells(cells, ["none"])["word"].tolist() == [True, False, False, False]


def test_codes_compare_as_numbers_only_where_both_are():
    assert same_code("1.0", [1])
    assert same_code("1", ["1.0"])
    assert not same_code("one", [1])
    assert not same_code("01x", [1])


def test_undeclared_code_warns_once_by_column():
    frame = pd.DataFrame({"iq": [100.0, 90, -999, -999], "volume": [9999.0, 9999, 9000, 12000], "age": [1.0, 2, 3, 99]})
    with pytest.warns(GraphFuseWarning, match=r"iq \(-999\)\.") as caught:
        warn_of_codes(frame)
    assert len(caught) == 1
    assert "volume" not in str(caught[0].message)
