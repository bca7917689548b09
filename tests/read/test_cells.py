from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphfuse.read.cells import FORMULA, escape, escape_table, unescape, write_text_table
from graphfuse.read.tables import read_table


@given(st.text(alphabet="=+-@\t\r'a1 ", max_size=8))
def test_every_text_comes_back_and_none_runs(text):
    assert unescape(escape(text)) == text
    assert not escape(text).startswith(FORMULA)


@pytest.mark.parametrize("text", ["plain", "3.5", "'quoted'", "", "a=b"])
def test_what_would_not_run_stays_as_it_is(text):
    assert escape(text) == text


def test_names_and_index_are_escaped_and_numbers_are_not(tmp_path):
    table = pd.DataFrame({"=a": ["+1", "x"], "b": [-1.5, 2.0]}, index=pd.Index(["@i", "j"], name="-id"))
    safe = escape_table(table)
    assert [*safe.columns, *safe.index, safe.index.name] == ["'=a", "b", "'@i", "j", "'-id"]
    assert safe["b"].tolist() == [-1.5, 2.0]
    write_text_table(table, tmp_path / "t.tsv", sep="\t")
    cells = read_table(tmp_path / "t.tsv", escaped=True)
    assert cells.to_numpy().tolist() == [["@i", "+1", "-1.5"], ["j", "x", "2.0"]]
    assert list(cells) == ["-id", "=a", "b"]
    assert list(read_table(tmp_path / "t.tsv")) == ["'-id", "'=a", "b"]
