"""Repetition times: one number, a column, a sidecar, a file or a table by site."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse._check import check_option
from graphfuse.errors import ManifestError, UnreadableFile
from graphfuse.read.align import locate_files
from graphfuse.read.limits import SIDECAR_BYTES, check_size
from graphfuse.read.tables import NUMBER, read_table


def find_repetition_times(
    t_r, cells: pd.DataFrame, sites: pd.Series | None, root: Path, source: str
) -> np.ndarray | None:
    """Repetition time of each row, (N,) float [s]; NaN where unknown, None where nothing was said.

    Parameters
    ----------
    t_r : float, str, dict or None
        A number; the name of a column; a path that ends in .json with placeholders (``RepetitionTime`` of a sidecar);
        ``{"file": PATH}``, a table of site and TR; or a dict of TR by site.
    cells : DataFrame (N, P) of str
    sites : Series (N,) or None
    root : Path
    source : str
        What messages call the signal.

    Raises
    ------
    ManifestError
        A site without an entry, no site column, a TR outside (0, 20] s.
    """
    if t_r is None:
        return None
    if isinstance(t_r, str):
        found = _sidecars(t_r, cells, root, source) if t_r.endswith(".json") else _column(t_r, cells, source)
    elif isinstance(t_r, dict):
        table = _site_table(root / t_r["file"], source) if set(t_r) == {"file"} else t_r
        found = _by_site(table, sites, source)
    else:
        found = np.full(len(cells), float(t_r))
    return _checked(found, source)


def _column(name: str, cells: pd.DataFrame, source: str) -> np.ndarray:
    column = cells[check_option(f"{source}: t_r, a column", name, list(cells.columns))]
    return np.array([_number(value, source) for value in column])


def _number(value, source: str) -> float:
    if pd.isna(value):
        return np.nan
    if not NUMBER.fullmatch(str(value)):
        raise ManifestError(f"{source}: t_r must be a number of seconds; got {value!r}.")
    return float(value)


def _sidecars(template: str, cells: pd.DataFrame, root: Path, source: str) -> np.ndarray:
    files = locate_files(template, cells, root, f"{source}.t_r", allow_extra=True)
    return np.array([np.nan if path is None else _sidecar(path, source) for path in files])


def _sidecar(path: Path, source: str) -> float:
    check_size(path, SIDECAR_BYTES, "JSON sidecar")
    try:
        return _number(json.loads(path.read_text(encoding="utf-8-sig"))["RepetitionTime"], source)
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        if isinstance(error, ManifestError):
            raise
        raise UnreadableFile(f"{source}: a JSON sidecar has no RepetitionTime. Give t_r by site or column.") from error


def _site_table(path: Path, source: str) -> dict[str, str]:
    table = read_table(path, name=f"t_r table of {source}")
    if table.shape[1] != 2:
        raise ManifestError(f"{source}: the t_r table needs two columns, site and TR [s]; got {table.shape[1]}.")
    return dict(table.itertuples(index=False, name=None))


def _by_site(table: dict, sites: pd.Series | None, source: str) -> np.ndarray:
    if sites is None:
        raise ManifestError(f"{source}: t_r is given by site, but no site column is named. Add site = COLUMN.")
    absent = sorted(set(sites.dropna()) - set(table))
    if absent:
        raise ManifestError(f"{source}: t_r lacks {len(absent)} sites, the first {absent[0]!r}. Add their TR [s].")
    return np.array([np.nan if pd.isna(site) else _number(table[site], source) for site in sites])


def _checked(found: np.ndarray, source: str) -> np.ndarray:
    wrong = found[~np.isnan(found) & ~((found > 0) & (found <= 20))]
    if len(wrong):
        raise ManifestError(f"{source}: t_r must lie in (0, 20] seconds; got {wrong[0]:g}. Are these milliseconds?")
    return found
