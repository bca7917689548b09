"""Alignment: every source is joined to the table by id, and an id that finds no partner is an error."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse._check import check_option
from graphfuse.errors import DuplicateSubjects, ManifestError, SubjectMismatch, UnreadableFile

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def match_ids(
    wanted: Sequence[str | None], found: Sequence[str], source: str, how: str = "exact", allow_extra: bool = False
) -> np.ndarray:
    """Where each wanted id lies in a source, (N,) int; -1 where the source does not have it.

    Parameters
    ----------
    wanted : sequence of str or None, (N,)
        Ids of the table's rows; None matches nothing.
    found : sequence of str
        Ids of the source.
    source : str
        What the message calls the source, for example ``signals.fmri``.
    how : "exact" or "digits"
        ``digits`` compares the longest run of digits without leading zeros: ``Pitt_0050003`` is ``50003``.
    allow_extra : bool
        Whether ids of the source that no row has are passed over.

    Raises
    ------
    DuplicateSubjects
        The source has an id twice.
    SubjectMismatch
        The source has ids that no row has (``error.suggested`` maps them where the digits agree), or ``digits`` is
        ambiguous.
    """
    check_option("match", how, ("exact", "digits"))
    _check_unique(found, source)
    keys = list(wanted), list(found)
    if how == "digits":
        keys = tuple([None if value is None else id_digits(value) for value in side] for side in keys)
        _check_unambiguous(wanted, keys[0], source)
        _check_unambiguous(found, keys[1], source)
    place = {key: i for i, key in enumerate(keys[1]) if key is not None}
    rows = np.array([-1 if key is None else place.get(key, -1) for key in keys[0]], dtype=np.int64)
    extra = sorted(set(range(len(found))) - set(rows.tolist()))
    if extra and not allow_extra:
        raise _mismatch(wanted, [found[i] for i in extra], len(found), source)
    return rows


def id_digits(name: str) -> str | None:
    """The longest run of digits of an id (the last of equals), without leading zeros; None if it has none."""
    runs = re.findall(r"\d+", name)
    return max(reversed(runs), key=len).lstrip("0") or "0" if runs else None


def locate_files(
    template: str,
    cells: pd.DataFrame,
    root: Path,
    source: str,
    how: str = "exact",
    allow_extra: bool = False,
    skip: Sequence[Path] = (),
) -> list[Path | None]:
    """Find each row's file under a template such as ``cpac/{FILE_ID}_rois_ho.1D``; None where there is none.

    Parameters
    ----------
    template : str
        Path relative to `root`; ``{column}`` stands for the row's value in that column of `cells`.
    cells : DataFrame (N, P) of str
        The table as text; a missing value means that nothing was acquired.
    root : Path
    source, how, allow_extra
        As in `match_ids`; ``digits`` needs a template with one placeholder.
    skip : sequence of Path
        Files that are no subject's (the table itself).
    """
    names = list(dict.fromkeys(PLACEHOLDER.findall(template)))
    _check_columns(names, cells, source)
    if how == "digits" and len(names) > 1:
        raise ManifestError(f'{source}: match = "digits" needs a path with one placeholder; got {len(names)}.')
    if Path(template).is_absolute():
        root, template = Path(Path(template).anchor), str(Path(template).relative_to(Path(template).anchor))
    files = _files(template, root, skip)
    if not files:
        raise UnreadableFile(f"{source}: no file matches {template!r} under the root. Check path and root.")
    rows = [None if pd.isna(row).any() else dict(zip(names, row, strict=True)) for row in cells[names].to_numpy(object)]
    if len(names) == 1:
        wanted = [None if row is None else row[names[0]] for row in rows]
        keys = [_value(template, root, path) for path in files]
    else:
        wanted = [None if row is None else _fill(template, row) for row in rows]
        keys = [Path(path).relative_to(root).as_posix() for path in files]
    place = match_ids(wanted, keys, source, how, allow_extra)
    return [None if i < 0 else files[i] for i in place]


def _files(template: str, root: Path, skip: Sequence[Path]) -> list[Path]:
    parts = PLACEHOLDER.split(template)
    pattern = "*".join(glob.escape(part) for part in parts[::2])
    hits = (Path(hit) for hit in sorted(glob.glob(str(Path(glob.escape(str(root))) / pattern))))
    shape = _regex(template, root)
    return [hit for hit in hits if hit.is_file() and hit not in skip and shape.fullmatch(hit.as_posix())]


def _regex(template: str, root: Path) -> re.Pattern:
    """The template as an expression; a placeholder that comes again must have the same value."""
    parts, seen, out = PLACEHOLDER.split(Path(template).as_posix()), {}, re.escape((root / "x").as_posix()[:-1])
    for i, part in enumerate(parts):
        if i % 2 == 0:
            out += re.escape(part)
        else:
            out += f"(?P={seen[part]})" if part in seen else f"(?P<p{i}>[^/]+)"
            seen.setdefault(part, f"p{i}")
    return re.compile(out)


def _value(template: str, root: Path, path: Path) -> str:
    return _regex(template, root).fullmatch(path.as_posix()).group(1)


def _fill(template: str, row: dict[str, str]) -> str:
    return Path(PLACEHOLDER.sub(lambda hit: row[hit.group(1)], template)).as_posix()


def _check_columns(names: list[str], cells: pd.DataFrame, source: str) -> None:
    if not names:
        raise ManifestError(f"{source}: path needs a placeholder such as {{id}} that tells the subjects apart.")
    for name in names:
        check_option(f"{source}: a placeholder in path", name, list(cells.columns))


def _check_unique(found: Sequence[str], source: str) -> None:
    twice = pd.Index(found)[pd.Index(found).duplicated()]
    if len(twice):
        rows = [i + 1 for i, name in enumerate(found) if name == twice[0]]
        raise DuplicateSubjects(
            f"{source} has the same id in its entries {rows} ({len(twice)} repeats in all). Keep one of each.",
            subject=twice[0],
        )


def _check_unambiguous(ids: Sequence[str | None], keys: Sequence[str | None], source: str) -> None:
    first: dict[str, str] = {}
    for name, key in zip(ids, keys, strict=True):
        if key is not None and first.setdefault(key, name) != name:
            raise SubjectMismatch(
                f'{source}: match = "digits" is ambiguous, two different ids have the same digits. '
                "Write the ids alike and match exactly.",
                subject=name,
            )


def _mismatch(wanted: Sequence[str | None], extra: list[str], total: int, source: str) -> SubjectMismatch:
    rows: dict[str, set[str]] = {}
    for name in wanted:
        if name is not None:
            rows.setdefault(id_digits(name), set()).add(name)
    near = {name: rows.get(id_digits(name), set()) for name in extra if id_digits(name) is not None}
    suggested = {name: min(found) for name, found in near.items() if len(found) == 1}
    text = f"{source}: {len(extra)} of its {total} ids match no row of the table. "
    if suggested:
        there, here = next(iter(suggested.items()))
        text += (
            f"{len(suggested)} would match by their digits ({_outline(there)} is {_outline(here)} in the table): "
            'say match = "digits" for this signal, or name another column as id.'
        )
    else:
        text += "Check the id column, or say allow_extra = true under [files] to leave them out."
    error = SubjectMismatch(text, subject=extra[0])
    error.suggested = suggested
    return error


def _outline(name: str) -> str:
    """The form of an id without the id: letters as ``a``, digits as ``#``, leading zeros as they are."""
    return re.sub(r"[1-9]\d*", lambda hit: "#" * len(hit.group()), re.sub(r"[^\W\d_]", "a", name))
