"""FreeSurfer tables (aparcstats2table, asegstats2table) to regions by measures."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, UnreadableFile
from graphfuse.read.regions import plain_name

FIRST = ("thickness", "area", "volume")  # the order of measures; others follow by name
MEASURES = (*FIRST, "thicknessstd", "meancurv", "gauscurv", "foldind", "curvind")
GLOBALS = {"meanthickness", "whitesurfarea", "pialsurfarea", "numvert"}  # of a hemisphere, no region
_COLUMN = re.compile(rf"(lh|rh)[_.](.+)[_.]({'|'.join(MEASURES)})", re.IGNORECASE)


def split_column(column: str) -> tuple[str, str] | None:
    """Region and measure of a column such as ``lh_bankssts_thickness``; None for eTIV, MeanThickness and the like."""
    hit = _COLUMN.fullmatch(column)
    if hit is None or plain_name(hit.group(2)) in GLOBALS:
        return None
    return f"{hit.group(1).lower()}_{hit.group(2)}", hit.group(3).lower()


def arrange_measures(table: pd.DataFrame, atlas: Atlas) -> tuple[np.ndarray, list[str]]:
    """Arrange a wide table as (N, R, M) float32 with the names of the M measures; absent entries are NaN.

    Parameters
    ----------
    table : DataFrame (N, .)
        Numbers; columns ``lh_REGION_MEASURE`` and ``rh_REGION_MEASURE`` are used, others are left out.
    atlas : Atlas
        Its names are ``lh_REGION`` and ``rh_REGION`` (case and marks do not matter).

    Raises
    ------
    AtlasMismatch
        Less than half of the atlas is in the table.
    UnreadableFile
        A region has the same measure twice, or a cell is no number.
    """
    place = {plain_name(name): r for r, name in enumerate(atlas.names)}
    found: dict[tuple[int, str], str] = {}
    for column in table:
        part = split_column(column)
        if part is None or plain_name(part[0]) not in place:
            continue
        key = place[plain_name(part[0])], part[1]
        if key in found:
            raise UnreadableFile(f"Columns {found[key]!r} and {column!r} are the same measure. Keep one.")
        found[key] = column
    _check_cover(len({r for r, _ in found}), atlas)
    return _fill(table, atlas, found)


def _fill(table: pd.DataFrame, atlas: Atlas, found: dict) -> tuple[np.ndarray, list[str]]:
    names = {measure for _, measure in found}
    measures = [m for m in FIRST if m in names] + sorted(names - set(FIRST))
    out = np.full((len(table), len(atlas), len(measures)), np.nan, dtype=np.float32)  # (N, R, M)
    for (r, measure), column in found.items():
        if not pd.api.types.is_numeric_dtype(table[column]):
            if table[column].notna().any():
                raise UnreadableFile(f"Column {column!r} holds words among its numbers. Export the table again.")
            continue
        out[:, r, measures.index(measure)] = table[column]
    return out, measures


def _check_cover(covered: int, atlas: Atlas) -> None:
    if covered * 2 < len(atlas):
        raise AtlasMismatch(
            f"The table has {covered} of the {len(atlas)} regions of atlas {atlas.name!r} (columns such as "
            f"{atlas.names[0]}_thickness). Name the parcellation that the table was made with."
        )


def merge_tables(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join wide tables (hemispheres, measures) by their index; columns that are in several must not be regions."""
    seen: set[str] = set()
    parts = []
    for table in tables:
        again = [column for column in table if column in seen]
        regions = [column for column in again if split_column(column) is not None]
        if regions:
            raise UnreadableFile(f"Column {regions[0]!r} is in two of the tables. Name each table once.")
        parts.append(table.drop(columns=again))
        seen.update(table.columns)
    return pd.concat(parts, axis=1)
