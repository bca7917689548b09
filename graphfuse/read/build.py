"""Manifest to Cohort: who is in, who is out and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from graphfuse.cohort import Cohort
from graphfuse.errors import GraphFuseError, MissingModality
from graphfuse.read.manifest import Manifest, load_manifest
from graphfuse.read.modality import read_modality
from graphfuse.read.people import People, read_people
from graphfuse.read.suspicion import warn_of_lengths, warn_of_twins
from graphfuse.signal import Signal


def read_cohort(path: str | Path, root: str | Path | None = None, strict: bool = False, labels: bool = True) -> Cohort:
    """Read the cohort that a cohort.toml describes.

    Rows without a label, site or any signal, and subjects whose data are at fault, are left out; who and why stands in
    ``cohort.exclusions``. What concerns a source as a whole is an error.

    Parameters
    ----------
    path : str or Path
        The manifest; `graphfuse.read.manifest` describes it.
    root : str or Path or None
        Folder of the data; overrides the manifest's own `root`.
    strict : bool
        Whether data at fault in one subject are an error (``error.subject`` names the subject).
    labels : bool
        False: the target column is left out unread (for prediction).

    Raises
    ------
    ManifestError, UnreadableFile, DuplicateSubjects, SubjectMismatch, UnknownLabel, MissingModality
        And with `strict`: ShortSeries, TransposedSeries, AtlasMismatch, UnusableRegion, NonFinite, ShapeMismatch.
    """
    return build_cohort(load_manifest(path, root), strict, labels)


def build_cohort(manifest: Manifest, strict: bool = False, labels: bool = True) -> Cohort:
    """Read the cohort of a checked manifest; arguments as `read_cohort`."""
    hidden = manifest.target
    if not labels:
        manifest = replace(manifest, target=None)
    people = read_people(manifest)
    keep = np.array([i for i in range(len(people)) if i not in people.excluded], dtype=np.int64)
    signals: dict[str, Signal] = {}
    reasons = dict(people.excluded)
    for block in manifest.signals:
        signals[block.name], faults = read_modality(block, people, keep, manifest)
        for i, error in sorted(faults.items()):
            reasons.setdefault(int(keep[i]), f"{block.name}: {error}")
            if strict:
                raise _placed(error, block.name, people, int(keep[i]))
    present = np.array([signals[name].present for name in signals])  # (signals, n)
    _note_missing(present, list(signals), keep, reasons, manifest, people, strict)
    inside = np.array([row not in reasons for row in keep.tolist()], dtype=bool)
    phenotypes = people.phenotypes if labels or hidden is None else people.phenotypes.drop(columns=hidden)
    phenotypes = _with_frames(phenotypes.iloc[keep], signals, manifest)[inside]
    cohort = _cohort(phenotypes, signals, np.flatnonzero(inside), manifest, reasons, people)
    _check_cover(cohort)
    _warn(cohort, manifest)
    return cohort


def _with_frames(phenotypes: pd.DataFrame, signals: dict[str, Signal], manifest: Manifest) -> pd.DataFrame:
    """The phenotypes with the lengths of the scans [frames] that `confounds` asks for; NaN where not acquired."""
    asked = {name: manifest.frame_columns.get(name) for name in manifest.confounds if name not in phenotypes}
    lengths = {name: signals[source].length for name, source in asked.items() if source is not None}
    return phenotypes.assign(**{name: np.where(length > 0, length, np.nan) for name, length in lengths.items()})


def _cohort(
    phenotypes: pd.DataFrame, signals: dict, rows: np.ndarray, manifest: Manifest, reasons: dict, people: People
) -> Cohort:
    if not len(rows):
        first = reasons[min(reasons)]
        raise MissingModality(f"No subject is left; the first was left out for: {first}. Check paths and ids.")
    ids = people.cells.index
    gone = pd.DataFrame([(ids[row], reasons[row]) for row in sorted(reasons)], columns=["subject", "reason"], dtype=str)
    return Cohort(
        phenotypes, {name: signal[rows] for name, signal in signals.items()}, manifest.target,
        tuple(manifest.classes) if manifest.target else (), manifest.site, manifest.group, manifest.confounds, gone,
    )  # fmt: skip


def _placed(error: GraphFuseError, name: str, people: People, row: int) -> GraphFuseError:
    """The error with its place: the row of the table in the message, the id beside it."""
    placed = type(error)(f"The {name} data of the subject in row {row + 2} of the table: {error}",
                         subject=people.cells.index[row])  # fmt: skip
    placed.path = getattr(error, "path", None)
    return placed


def _note_missing(
    present: np.ndarray, names: list[str], keep: np.ndarray, reasons: dict, manifest: Manifest, people: People,
    strict: bool,
) -> None:  # fmt: skip
    """Leave out who has no signal at all, or, where modalities may not be missing, who lacks one."""
    for i, row in enumerate(keep.tolist()):
        absent = [name for name, has in zip(names, present[:, i], strict=True) if not has]
        if row in reasons or not absent or (len(absent) < len(names) and manifest.allow_missing):
            continue
        reasons[row] = f"no {' and no '.join(absent)} data"
        if strict and not manifest.allow_missing:
            error = MissingModality(f"{reasons[row]}, and allow_missing is false. Leave the row out or allow it")
            raise _placed(error, absent[0], people, row)


def _check_cover(cohort: Cohort) -> None:
    """Every modality must exist in every class that has members, or it would give the class away."""
    if cohort.target is None:
        return
    for name in cohort.signals:
        for code, label in enumerate(cohort.classes):
            members = cohort.y == code
            if members.any() and not cohort.has(name)[members].any():
                raise MissingModality(
                    f"No subject of class {label!r} has {name}: its absence would give the class away. "
                    "Leave this signal out of the manifest or add the data."
                )


def _warn(cohort: Cohort, manifest: Manifest) -> None:
    """Warn of what reads well and may be wrong; who names the length of a scan as a confound knows that it differs."""
    for block in manifest.signals:
        signal = cohort.signals[block.name]
        warn_of_twins(block.name, signal)
        if f"{block.name}_frames" not in cohort.confounds and not block.options.get("differs_by_site"):
            warn_of_lengths(block.name, signal, cohort.sites, isinstance(block.options.get("t_r"), dict))
