"""Wide tables: one row a subject, in the order of the cohort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse._check import check_option
from graphfuse.errors import GraphFuseError, NonFinite, UnreadableFile
from graphfuse.read.align import match_ids
from graphfuse.read.checksums import verify
from graphfuse.read.manifest import Manifest, SignalBlock
from graphfuse.read.matrix import read_matrix
from graphfuse.read.suspicion import warn_of_codes
from graphfuse.read.tables import read_table, typed_columns


def read_wide(block: SignalBlock, ids: pd.Index, manifest: Manifest) -> list[pd.DataFrame]:
    """Read the wide tables of a signal, each with one row for every id of `ids`; NaN where a table has no such id.

    Raises
    ------
    UnreadableFile, InvalidOption, DuplicateSubjects, SubjectMismatch
    """
    paths = [block.path] if isinstance(block.path, str) else block.path
    return [_aligned(manifest.root / path, block, ids, manifest) for path in paths]


def _aligned(path: Path, block: SignalBlock, ids: pd.Index, manifest: Manifest) -> pd.DataFrame:
    verify(path, manifest.sums, manifest.root)
    cells = read_table(path, block.options.get("encoding"), f"table of {block.source}", manifest.escaped)
    if cells.shape[1] < 2:
        raise UnreadableFile(f"The table of {block.source} has no column besides the ids. Export it again.")
    column = check_option(
        f"{block.source}: id, a column,", block.options.get("id", cells.columns[0]), list(cells.columns)
    )
    rows = match_ids(ids, cells[column].tolist(), block.source, block.match, manifest.allow_extra)
    numbers = typed_columns(cells.drop(columns=column), manifest.missing, block.options.get("decimal"))
    warn_of_codes(numbers, f"{block.source}: ")
    return numbers.reset_index(drop=True).reindex(rows).set_axis(ids)


def vector_rows(table: pd.DataFrame, block: SignalBlock) -> tuple[list, list[str], dict[int, GraphFuseError]]:
    """Rows of a wide table as vectors (None for a blank row), their names, and the rows with some blanks.

    Raises
    ------
    UnreadableFile
        A column that holds words.
    """
    names = list(block.options.get("columns", table.columns))
    for name in names:
        check_option(f"{block.source}: columns", name, list(table.columns))
    words = [name for name in names if not pd.api.types.is_numeric_dtype(table[name]) and table[name].notna().any()]
    if words:
        raise UnreadableFile(
            f"{block.source}: column {words[0]!r} holds words. Name the columns of numbers in columns."
        )
    values = table[names].to_numpy(dtype=np.float64)  # (N, P)
    known = np.isfinite(values)
    arrays = [row if some else None for row, some in zip(values, known.any(1), strict=True)]
    return arrays, names, {int(i): _blank(known[i]) for i in np.flatnonzero(known.any(1) & ~known.all(1))}


def read_vector(path: Path, variable: str | None = None) -> np.ndarray:
    """Read one subject's vector, (P,), from a file with one row or one column."""
    array, _ = read_matrix(path, variable)
    if min(array.shape) != 1:
        raise UnreadableFile(
            f"A vector must be one row or one column; got {array.shape}. Use connectivity or timeseries."
        )
    if not np.isfinite(array).all():
        raise _blank(np.isfinite(array).ravel())
    return array.ravel()


def _blank(known: np.ndarray) -> NonFinite:
    return NonFinite(
        f"{int((~known).sum())} of {len(known)} entries are blank or not finite. Fill them in or name the "
        "columns to use."
    )
