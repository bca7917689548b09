"""One block of the manifest to one Signal, with the subjects whose data are at fault."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from graphfuse._progress import progress
from graphfuse.atlas import Atlas, load_atlas
from graphfuse.errors import GraphFuseError, GraphFuseWarning, MissingModality
from graphfuse.read.align import PLACEHOLDER, locate_files
from graphfuse.read.checksums import verify
from graphfuse.read.freesurfer import arrange_measures, merge_tables
from graphfuse.read.manifest import Manifest, SignalBlock
from graphfuse.read.nifti import Run, read_run
from graphfuse.read.people import People
from graphfuse.read.regions import apply_policy
from graphfuse.read.repetition import find_repetition_times
from graphfuse.read.series import check_lying, read_connectivity, read_series
from graphfuse.read.wide import read_vector, read_wide, vector_rows
from graphfuse.signal import Signal

SIGNAL_KIND = {"nifti": "timeseries", "freesurfer": "measures"}  # the other kinds keep their name


@dataclass
class Draft:
    """What was read of one modality: an array (or None) for each row kept, and what was wrong, by position."""

    arrays: list[np.ndarray | None]
    faults: dict[int, GraphFuseError] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    t_r: np.ndarray | None = None


def read_modality(
    block: SignalBlock, people: People, keep: np.ndarray, manifest: Manifest
) -> tuple[Signal, dict[int, GraphFuseError]]:
    """Read one modality of the rows `keep`: the Signal, in that order, and the faults by position in `keep`.

    Parameters
    ----------
    block : SignalBlock
    people : People
        All rows: an id of the source must be one of theirs.
    keep : array (n,) int
    manifest : Manifest

    Raises
    ------
    GraphFuseError
        What concerns the source as a whole: ids that do not match, the same fault in every subject.
    """
    atlas = _atlas(block, manifest.root)
    draft = _READERS[block.kind](block, people, keep, manifest, atlas)
    draft.arrays = [None if i in draft.faults else array for i, array in enumerate(draft.arrays)]
    _check_some_left(block, draft)
    kind = SIGNAL_KIND.get(block.kind, block.kind)
    if block.kind == "timeseries" and "transposed" not in block.options:
        check_lying([array for array in draft.arrays if array is not None], atlas, block.source)
    signal = Signal.pack(kind, draft.arrays, atlas, draft.columns, draft.t_r)
    signal, unusable = apply_policy(signal, manifest.regions)
    draft.faults |= unusable
    _check_some_left(block, draft, set(unusable))
    return signal, draft.faults


def _atlas(block: SignalBlock, root: Path) -> Atlas | None:
    name, image = block.options.get("atlas"), block.options.get("labels")
    if name is None:
        return None
    path = root / name if name.endswith((".tsv", ".csv")) else name
    return load_atlas(path, image=None if image is None else root / image)


def _check_some_left(block: SignalBlock, draft: Draft, gone: set[int] = frozenset()) -> None:
    """Raise the first fault if nobody who was measured is without one: then the source is at fault."""
    left = [i for i, array in enumerate(draft.arrays) if array is not None and i not in gone]
    if not left and not draft.faults:
        raise MissingModality(
            f"{block.source}: none of the {len(draft.arrays)} subjects has it. Check its path and ids."
        )
    if draft.faults and not left:
        first = draft.faults[min(draft.faults)]
        more = len(draft.faults) - 1
        raise type(first)(
            f"{block.source}, all subjects ({more} more like the first): {first}", subject=None
        ) from first


def _read_files(block: SignalBlock, people: People, keep: np.ndarray, manifest: Manifest, read: Callable) -> Draft:
    """Read one file a subject with ``read(path, position)``."""
    cells = people.cells
    skip = (manifest.root / manifest.table,)
    files = locate_files(block.path, cells, manifest.root, block.source, block.match, manifest.allow_extra, skip)
    draft = Draft([None] * len(keep))
    for i, row in enumerate(progress(keep, f"reading {block.name}")):
        if files[row] is not None:
            try:
                verify(files[row], manifest.sums, manifest.root)
                draft.arrays[i] = read(files[row], i)
            except GraphFuseError as error:
                error.path = files[row]  # beside the message, like the id
                draft.faults[i] = error
    return draft


def _times(block: SignalBlock, people: People, keep: np.ndarray, manifest: Manifest) -> np.ndarray | None:
    sites = None if manifest.site is None else people.cells[manifest.site]
    times = find_repetition_times(block.options.get("t_r"), people.cells, sites, manifest.root, block.source)
    return None if times is None else times[keep]


def _pick(block: SignalBlock, *names: str) -> dict:
    return {name: block.options[name] for name in names if name in block.options}


def _timeseries(block, people, keep, manifest, atlas) -> Draft:
    read = partial(read_series, atlas=atlas, **_pick(block, "transposed", "variable", "min_frames"))
    times = _times(block, people, keep, manifest)
    return replace(_read_files(block, people, keep, manifest, lambda path, i: read(path)), t_r=times)


def _nifti(block, people, keep, manifest, atlas) -> Draft:
    names = ("radius", "confounds", "standardize", "detrend", "low_pass", "high_pass", "min_frames")
    options = _pick(block, *names)
    if isinstance(options.get("confounds"), str):
        options["confounds"] = (options["confounds"],)
    times = _times(block, people, keep, manifest)
    times = np.full(len(keep), np.nan) if times is None else times.copy()
    runs: list[Run] = []

    def read(path: Path, i: int) -> np.ndarray:
        run = read_run(path, atlas, t_r=times[i], **options)
        times[i] = run.t_r
        runs.append(run._replace(series=None))
        return run.series

    draft = _read_files(block, people, keep, manifest, read)
    _warn_of_confounds(block, runs)
    _warn_of_overlap(block, runs)
    return replace(draft, t_r=times)


def _warn_of_confounds(block: SignalBlock, runs: list[Run]) -> None:
    bare = sum(not run.cleaned for run in runs)
    if bare:
        text = f"{block.source}: {bare} of {len(runs)} runs have no fMRIPrep confounds beside them; "
        warnings.warn(text + "none were regressed out of these.", GraphFuseWarning, stacklevel=2)


def _warn_of_overlap(block: SignalBlock, runs: list[Run]) -> None:
    moved = [run.overlap for run in runs if run.overlap is not None]
    if moved:
        warnings.warn(
            f"{block.source}: the label volume lies on another grid than {len(moved)} of {len(runs)} runs and was "
            f"moved onto theirs; at least {min(moved):.1%} of it lies inside each. Check that both are in one space.",
            GraphFuseWarning,
            stacklevel=2,
        )


def _connectivity(block, people, keep, manifest, atlas) -> Draft:
    read = partial(read_connectivity, atlas=atlas, **_pick(block, "symmetrise", "variable"))
    return _read_files(block, people, keep, manifest, lambda path, i: read(path))


def _freesurfer(block, people, keep, manifest, atlas) -> Draft:
    table = merge_tables(read_wide(block, people.cells.index, manifest))
    measures, names = arrange_measures(table, atlas)  # (N, R, M)
    arrays = [measures[row] if np.isfinite(measures[row]).any() else None for row in keep]
    return Draft(arrays, columns=names)


def _vector(block, people, keep, manifest, atlas) -> Draft:
    if isinstance(block.path, str) and PLACEHOLDER.search(block.path):
        variable = block.options.get("variable")
        return _read_files(block, people, keep, manifest, lambda path, i: read_vector(path, variable))
    table = merge_tables(read_wide(block, people.cells.index, manifest))
    arrays, names, faults = vector_rows(table.iloc[keep], block)
    return Draft(arrays, faults, names)


_READERS = {
    "timeseries": _timeseries,
    "nifti": _nifti,
    "freesurfer": _freesurfer,
    "connectivity": _connectivity,
    "vector": _vector,
}
