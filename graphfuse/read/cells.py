"""Text cells that a spreadsheet would run: marked with an apostrophe when written, and freed of it when read back."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would run


def escape(text: str) -> str:
    """Give a cell that would run a leading apostrophe; one that has some gets one more, so that none is lost."""
    return f"'{text}" if _would_run(text) else text


def unescape(text: str) -> str:
    """The cell that `escape` was given."""
    return text.removeprefix("'") if _would_run(text) else text


def write_text_table(table: pd.DataFrame, path: Path, **options) -> None:
    """Write a table as text that no spreadsheet runs and that reads back as it was; options as ``DataFrame.to_csv``.

    References
    ----------
    OWASP, CSV Injection; Application Security Verification Standard 1.2.10.
    """
    safe = escape_table(table)
    text = safe.to_csv(na_rep="n/a", lineterminator="\n", **options)
    if "\r" in text:  # it would end a row, and is not quoted by itself
        text = safe.to_csv(na_rep="n/a", lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC, **options)
    path.write_bytes(text.encode())


def escape_table(table: pd.DataFrame) -> pd.DataFrame:
    """A copy with text cells, column names and a text index escaped; numbers are untouched."""
    safe = table.copy()
    for place in range(safe.shape[1]):
        if not pd.api.types.is_numeric_dtype(safe.dtypes.iloc[place]):
            safe.isetitem(place, [_escaped(cell) for cell in safe.iloc[:, place]])
    safe.columns = [_escaped(name) for name in safe.columns]
    safe.index = pd.Index([_escaped(name) for name in safe.index], name=_escaped(safe.index.name), dtype=object)
    return safe


def _escaped(cell):
    return escape(cell) if isinstance(cell, str) else cell


def _would_run(text: str) -> bool:
    return text.lstrip("'").startswith(FORMULA)
