"""The table of people: ids as written, phenotypes as numbers, labels by the class coding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from graphfuse._check import check_option
from graphfuse.errors import DuplicateSubjects, ManifestError, SubjectMismatch, UnknownLabel
from graphfuse.read.checksums import verify
from graphfuse.read.manifest import Manifest
from graphfuse.read.suspicion import warn_of_ages, warn_of_codes
from graphfuse.read.tables import decode, missing_cells, read_bytes, read_table, same_code, typed_columns


@dataclass(frozen=True, eq=False)
class People:
    """All rows of the table, in its order.

    Parameters
    ----------
    cells : DataFrame (N, P)
        Text as written, NaN where missing; indexed by id, which is also the column ``id``.
    phenotypes : DataFrame (N, P)
        Numbers where a column has nothing else; the target as class names, the site as text.
    excluded : dict of int to str
        Rows that cannot be used, with the reason.
    """

    cells: pd.DataFrame
    phenotypes: pd.DataFrame
    excluded: dict[int, str]

    def __len__(self) -> int:
        return len(self.cells)


def read_people(manifest: Manifest) -> People:
    """Read the table of a manifest.

    Raises
    ------
    UnreadableFile, ManifestError, DuplicateSubjects, SubjectMismatch, UnknownLabel
    """
    path = manifest.root / manifest.table
    verify(path, manifest.sums, manifest.root)
    cells = read_table(path, manifest.encoding, escaped=manifest.escaped)
    for key in ("id", "target", "site", "group"):
        _check_column(key, getattr(manifest, key), cells)
    for name in manifest.confounds:
        if name in cells or name not in manifest.frame_columns:
            _check_column("confounds", name, cells)
    cells.index = _ids(cells[manifest.id])
    text = [name for name in (manifest.id, manifest.target, manifest.site, manifest.group) if name]
    phenotypes = typed_columns(cells, manifest.missing, manifest.decimal, text)
    known = cells.mask(missing_cells(cells, manifest.missing))
    phenotypes[manifest.id] = cells[manifest.id]  # an id is never a missing code
    known[manifest.id] = cells[manifest.id]
    if manifest.target is not None:
        phenotypes[manifest.target] = _classes(known[manifest.target], manifest)
    warn_of_codes(phenotypes)
    warn_of_ages(phenotypes, known[manifest.site] if manifest.site else None)
    known = known if "id" in known else known.assign(id=known[manifest.id])
    return People(known, phenotypes.drop(columns=manifest.id), _excluded(known, phenotypes, manifest))


def _check_column(key: str, name: str | None, cells: pd.DataFrame) -> None:
    if name is not None:
        check_option(f"{key}, a column of the table,", name, list(cells.columns))


def _ids(column: pd.Series) -> pd.Index:
    ids = pd.Index(column.astype(object), dtype=object, name=column.name)
    blank = np.flatnonzero(ids == "")
    if len(blank):
        raise SubjectMismatch(f"Row {blank[0] + 2} of the table has no id ({len(blank)} rows in all). Fill in the id.")
    if not len(ids):
        raise SubjectMismatch("The table has a header and no rows. Check the path of the table.")
    twice = ids[ids.duplicated()]
    if len(twice):
        rows = (np.flatnonzero(ids == twice[0]) + 2).tolist()
        raise DuplicateSubjects(
            f"Rows {rows} of the table have the same id ({len(twice)} repeats in all). Drop the repeats, or give each "
            "scan its own id and name the person's column as group.",
            subject=twice[0],
        )
    return ids


def _classes(codes: pd.Series, manifest: Manifest) -> pd.Series:
    """Class names by the coding, NaN where the label is missing."""
    names = {}
    for code in codes.dropna().unique():
        hits = [name for name, wanted in manifest.classes.items() if same_code(code, map(str, wanted))]
        if len(hits) > 1:
            raise ManifestError(f"classes: the code {code!r} belongs to {' and '.join(hits)}. Give it to one class.")
        names[code] = hits[0] if hits else None
    wrong = codes.isin([code for code, name in names.items() if name is None])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        coding = ", ".join(f"{name} = {'/'.join(map(str, wanted))}" for name, wanted in manifest.classes.items())
        raise UnknownLabel(
            f"{manifest.target!r} must hold a code of {coding}; row {row + 2} holds {codes.iloc[row]!r} "
            f"({int(wrong.sum())} rows in all). Extend classes, or declare the code as missing.",
            subject=codes.index[row],
        )
    return codes.map(names).astype(object)


def _excluded(known: pd.DataFrame, phenotypes: pd.DataFrame, manifest: Manifest) -> dict[int, str]:
    reasons: dict[int, str] = {}
    if manifest.subjects is not None:
        wanted = _wanted(manifest)
        absent = sorted(set(wanted) - set(known.index))
        if absent:
            raise SubjectMismatch(
                f"subjects lists {len(absent)} ids of {len(set(wanted))} that match no row of the table. "
                "Write them as the table does.",
                subject=absent[0],
            )
        reasons = {int(i): "not in the list of subjects" for i in np.flatnonzero(~known.index.isin(wanted))}
    for key in ("target", "site"):
        column = getattr(manifest, key)
        if column is not None:
            blank = known[column].isna()
            reasons = {int(i): f"no {key} ({column} is missing)" for i in np.flatnonzero(blank)} | reasons
    return reasons


def _wanted(manifest: Manifest) -> list[str]:
    """Ids of the subjects to keep: a list, or a text file with one id a line."""
    if not isinstance(manifest.subjects, str):
        return [str(subject) for subject in manifest.subjects]
    name = "list of subjects"
    return decode(read_bytes(manifest.root / manifest.subjects, name), name).split()
