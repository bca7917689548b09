"""Delimited tables: read as text first, numbers only where every cell is one."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse.errors import UnreadableFile
from graphfuse.read.cells import unescape
from graphfuse.read.limits import TABLE_BYTES, TABLE_COLUMNS, check_size

DELIMITERS = ("\t", ";", ",")
MISSING = ("", "n/a", "N/A", "NA", "nan", "NaN")  # always missing, whatever the manifest says
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
LEADING_ZERO = re.compile(r"0\d+")


def read_table(path: Path, encoding: str | None = None, name: str = "table", escaped: bool = False) -> pd.DataFrame:
    """Read a tab, ``;`` or ``,`` separated table with a header line, every cell as stripped text.

    Columns without a name and ``Unnamed:`` columns (indices that pandas wrote) are dropped.

    Parameters
    ----------
    path : Path
    encoding : str or None
        None: UTF-8, or UTF-16 where the file begins with its mark.
    name : str
        What the error message calls the table.
    escaped : bool
        Whether `graphfuse.read.cells.escape` wrote the cells; then blanks at their ends are the cell's own.

    Raises
    ------
    UnreadableFile
        Absent, empty, not text, rows of different length, an ambiguous delimiter, a column name that stands twice,
        more columns or bytes than `graphfuse.read.limits` allows.
    """
    rows = _split(decode(read_bytes(path, name), name, encoding), name)
    if len(rows[0]) > TABLE_COLUMNS:
        raise UnreadableFile(
            f"The {name} has {len(rows[0])} columns; at most {TABLE_COLUMNS} are read. Give one file a subject instead."
        )
    tidy = unescape if escaped else str.strip
    header = [tidy(cell) for cell in rows[0]]
    keep = [i for i, column in enumerate(header) if column and not column.startswith("Unnamed:")]
    names = [header[i] for i in keep]
    twice = {column for column, times in Counter(names).items() if times > 1}
    if twice:
        raise UnreadableFile(f"The {name} names column {min(twice)!r} twice. Give every column its own name.")
    cells = [[tidy(row[i]) for i in keep] for row in rows[1:]]
    return pd.DataFrame(cells, columns=names, dtype=object)


def read_bytes(path: Path, name: str) -> bytes:
    """The bytes of a regular file; `UnreadableFile` if there are none, or more than `TABLE_BYTES`."""
    check_size(path, TABLE_BYTES, name)
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableFile(f"The {name} cannot be opened: {error.strerror}. Check its path.") from error
    if not raw.strip():
        raise UnreadableFile(f"The {name} is empty. Copy or export it again.")
    return raw


def decode(raw: bytes, name: str, encoding: str | None = None) -> str:
    """Decode UTF-8 or (with its mark) UTF-16 text; anything else is an error, never a guess."""
    if encoding is None:
        encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise UnreadableFile(
            f"The {name} is not {encoding} text. Save it as a UTF-8 text file (not a spreadsheet or an archive), "
            "or name its encoding."
        ) from error
    if "\0" in text:
        raise UnreadableFile(f"The {name} holds NUL characters: it is no plain text file. Save it as UTF-8 text.")
    return text


def typed_columns(
    cells: pd.DataFrame, missing: Collection = (), decimal: str | None = None, text: Collection[str] = ()
) -> pd.DataFrame:
    """Turn columns whose known cells are all numbers into numbers and missing cells into NaN.

    Columns in `text`, and columns with a number that begins with a zero (``0050003``), stay text.

    Parameters
    ----------
    cells : DataFrame (N, P) of str
    missing : collection of str or number
        Codes of missing values besides `MISSING`; numbers compare as numbers.
    decimal : "." or "," or None
        None: a decimal comma is recognised where it is the only reading, else `UnreadableFile`.
    text : collection of str
    """
    known = cells.mask(missing_cells(cells, missing))
    dotted = {c for c in cells if c not in text and _all_match(known[c], NUMBER) and not _zeros(known[c])}
    comma = {c for c in cells if c not in text and c not in dotted and _all_match(known[c], COMMA_NUMBER)}
    comma = {c for c in comma if not _zeros(known[c])}
    if decimal != ".":
        decimal = _find_decimal(known, dotted, comma, [c for c in cells if c not in text], decimal)
    if decimal == ",":
        known = known.assign(**{c: known[c].str.replace(",", ".") for c in comma})
        dotted = dotted | comma
    return pd.DataFrame({c: _as_number(known[c]) if c in dotted else known[c] for c in cells}, index=cells.index)


def missing_cells(cells: pd.DataFrame, missing: Collection = ()) -> pd.DataFrame:
    """Which cells are blank or a code of a missing value, (N, P) bool; numeric codes compare as numbers."""
    codes = {*MISSING, *(str(code).strip() for code in missing)}
    values = {value for column in cells for value in cells[column].unique()}
    gone = {value for value in values if value in codes or same_code(value, codes)}
    return cells.isin(gone)


def same_code(value: str, codes: Iterable) -> bool:
    """Whether `value` equals one of `codes`, as numbers where both are numbers (``"1.0"`` is 1)."""
    if not NUMBER.fullmatch(value):
        return value in {str(code) for code in codes}
    return float(value) in {float(str(code)) for code in codes if NUMBER.fullmatch(str(code).strip())}


def _split(text: str, name: str) -> list[list[str]]:
    """Rows of equal length, under the one delimiter that gives them."""
    first = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").splitlines()[0])
    found = sorted((d for d in DELIMITERS if d in first), key=first.count, reverse=True) or [","]
    readings = [_rows(text, delimiter, name) for delimiter in found]
    good = [rows for rows in readings if {len(row) for row in rows} == {len(rows[0])}]
    if len(good) > 1:
        raise UnreadableFile(f"The {name} reads with more than one delimiter. Save it as tab-separated text.")
    if good:
        return good[0]
    width = len(readings[0][0])
    row, got = next((i + 1, len(r)) for i, r in enumerate(readings[0]) if len(r) != width)
    raise UnreadableFile(f"Row {row} of the {name} has {got} of {width} columns. Copy or export it again.")


def _rows(text: str, delimiter: str, name: str) -> list[list[str]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
    except csv.Error as error:
        raise UnreadableFile(
            f"The {name} is not a clean table: {error}. Save it again as tab-separated text."
        ) from error
    return rows


def _all_match(column: pd.Series, pattern: re.Pattern) -> bool:
    known = column.dropna().unique()
    return len(known) > 0 and all(pattern.fullmatch(value) for value in known)


def _zeros(column: pd.Series) -> bool:
    return any(LEADING_ZERO.fullmatch(value) for value in column.dropna().unique())


def _find_decimal(known: pd.DataFrame, dotted: set[str], comma: set[str], columns: list[str], said: str | None) -> str:
    """The decimal mark, or an error where two readings would give two different numbers."""
    either = re.compile(f"{NUMBER.pattern}|{COMMA_NUMBER.pattern}")
    mixed = [c for c in columns if c not in dotted | comma and not _zeros(known[c]) and _all_match(known[c], either)]
    points = [c for c in dotted if known[c].str.contains(".", regex=False, na=False).any()]
    values = {value for c in comma for value in known[c].dropna().unique() if "," in value}
    thousands = said is None and all(THOUSANDS.fullmatch(value) for value in values)
    if mixed or (points and (values or said)) or (values and thousands):
        column = sorted(mixed or comma or points)[0]
        raise UnreadableFile(
            f"Column {column!r}: a comma or a point inside its numbers could be a decimal mark or thousands. "
            'Write all numbers with a point, or say decimal = "." or ",".'
        )
    return "," if values else "."


def _as_number(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column).astype(float)
    whole = column.notna().all() and (numbers == np.floor(numbers)).all() and (numbers.abs() < 2**53).all()
    return numbers.astype(np.int64) if whole else numbers
