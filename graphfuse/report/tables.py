"""Tables as the page shows them: text and a small note a cell, numbers set alike everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

DASH = "–"  # noqa: RUF001 a missing value, set as an en dash
MINUS = "\N{MINUS SIGN}"
SMALL = 5  # smaller cells could point at a person


class Cell(NamedTuple):
    """What one cell says, and a smaller second line."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A caption, column headings, and rows of cells; the first cell of a row is its heading.

    Parameters
    ----------
    caption : str
    columns : tuple of str
    rows : tuple of tuple of Cell
    numeric : tuple of bool
        Which columns hold numbers and are set flush right.
    strong : tuple of int
        Rows to stress.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[bool, ...]
    strong: tuple[int, ...] = ()


def make_table(frame: pd.DataFrame, caption: str, headings: Mapping[str, str] | None = None, strong=()) -> Table:
    """Set the columns of `frame` that `headings` names (None: all), under these headings.

    Parameters
    ----------
    frame : DataFrame
        Cells may be `Cell`, text or numbers; a missing number becomes a dash.
    caption : str
    headings : mapping of column to heading or None
    strong : sequence of int
        Positions of the rows to stress.
    """
    headings = headings or {name: str(name) for name in frame.columns}
    columns = [[as_cell(value) for value in frame[name]] for name in headings]
    numeric = tuple(_is_numeric(column) for column in columns)
    rows = tuple(zip(*columns, strict=True)) if columns else ()
    return Table(caption, tuple(headings.values()), rows, numeric, tuple(strong))


def as_cell(value) -> Cell:
    """A cell of anything: whole numbers with thin spaces, others with three decimals, nothing as a dash."""
    if isinstance(value, Cell):
        return value
    if value is None or value is pd.NA or (isinstance(value, (float, np.floating)) and not np.isfinite(value)):
        return Cell(DASH)
    if isinstance(value, (bool, np.bool_)):
        return Cell("yes" if value else "no")
    if isinstance(value, (int, np.integer)):
        return Cell(f"{value:,}".replace(",", "\N{THIN SPACE}").replace("-", MINUS))
    return Cell(decimal(value) if isinstance(value, (float, np.floating)) else str(value))


def decimal(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """``0.712``, with a true minus, with a plus if `sign`; a dash for what is not a number."""
    if not np.isfinite(value):
        return DASH
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", MINUS)


def span(low: float, high: float) -> str:
    """An interval, ``[0.61, 0.79]`` with three decimals."""
    return f"[{decimal(low)}, {decimal(high)}]"


def p_text(p: float) -> str:
    """``0.031``; ``<0.001`` below."""
    return "<0.001" if p < 0.001 else decimal(p)


def suppress(counts: pd.DataFrame) -> pd.DataFrame:
    """Hide counts below 5, and as many others as it takes that no row or column sum gives a hidden one away.

    Parameters
    ----------
    counts : DataFrame of int

    Returns
    -------
    DataFrame of Cell
        ``<5`` for a small count, ``withheld`` for a larger one that would reveal it.
    """
    values = counts.to_numpy()
    hidden = values < SMALL
    while (partner := _revealing(values, hidden)) is not None:
        hidden[partner] = True
    cells = np.empty(values.shape, dtype=object)
    for place in np.ndindex(values.shape):
        text = f"<{SMALL}" if values[place] < SMALL else "withheld"
        cells[place] = Cell(text) if hidden[place] else as_cell(values[place])
    return pd.DataFrame(cells, index=counts.index, columns=counts.columns)


def _revealing(values: np.ndarray, hidden: np.ndarray) -> tuple[int, int] | None:
    """The smallest open cell beside a hidden one that stands alone in its row or column."""
    for axis in (1, 0):
        for line in np.flatnonzero((hidden.sum(axis) == 1) & (hidden.shape[axis] > 1)):
            along = np.where(np.take(hidden, line, 1 - axis), np.inf, np.take(values, line, 1 - axis))
            return (int(line), int(along.argmin())) if axis == 1 else (int(along.argmin()), int(line))
    return None


def _is_numeric(cells: list[Cell]) -> bool:
    marks = set("0123456789.,+-<%" + DASH + MINUS + "\N{THIN SPACE}")
    texts = [cell.text for cell in cells if cell.text != "withheld"]
    return bool(texts) and all(set(text) <= marks for text in texts)
