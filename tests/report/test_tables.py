import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from graphfuse.report.tables import Cell, as_cell, decimal, make_table, p_text, suppress

counts = st.integers(1, 6).flatmap(
    lambda columns: st.lists(st.lists(st.integers(0, 30), min_size=columns, max_size=columns), min_size=1, max_size=8)
)


@given(counts)
def test_no_count_below_five_is_shown_nor_can_be_found_from_a_sum(rows):
    values = pd.DataFrame(rows)
    shown = suppress(values).map(lambda cell: cell.text)
    hidden = shown.isin(["<5", "withheld"]).to_numpy()
    np.testing.assert_array_equal(shown == "<5", values < 5)
    for axis in (0, 1):
        alone = (hidden.sum(axis) == 1) & (hidden.shape[axis] > 1)
        assert not alone.any()
    assert (shown.to_numpy()[~hidden] == values.astype(str).to_numpy()[~hidden]).all()


def test_nothing_is_hidden_where_all_counts_are_large():
    shown = suppress(pd.DataFrame([[5, 60], [7, 8]]))
    assert shown.map(lambda cell: cell.text).to_numpy().tolist() == [["5", "60"], ["7", "8"]]


def test_cells_of_anything():
    values = [12345, -3, 0.12345, -0.5, float("nan"), None, True, "a", Cell("x", "y")]
    texts = ["12\u2009345", "\u22123", "0.123", "\u22120.500", "\u2013", "\u2013", "yes", "a", "x"]
    assert [as_cell(value).text for value in values] == texts


def test_numbers_are_flush_right_and_text_is_not():
    frame = pd.DataFrame({"name": ["a1", "b"], "n": [1, 2], "p": ["<0.001", "0.5"], "mixed": ["1", "of"]})
    assert make_table(frame, "").numeric == (False, True, True, False)


def test_headings_choose_and_order_the_columns():
    table = make_table(pd.DataFrame({"a": [1], "b": [2]}), "caption", {"b": "B"})
    assert table.columns == ("B",)
    assert table.rows == ((Cell("2"),),)


def test_signs_and_small_p():
    assert decimal(0.1, 2, sign=True) == "+0.10"
    assert decimal(-0.1, 2, sign=True) == "\u22120.10"
    assert [p_text(0.0004), p_text(0.04)] == ["<0.001", "0.040"]
