"""Connectomes of more subjects than memory holds: chunk by chunk into one file, going on where it was killed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from graphfuse._check import check_option, check_range, check_shape
from graphfuse._files import make_folder, sweep_drafts, write_whole
from graphfuse.connectome.functional import KINDS, functional_connectivity
from graphfuse.connectome.vectorise import upper_triangle
from graphfuse.errors import GraphFuseError, InvalidOption, ShapeMismatch, UnreadableFile, UnwritableFile

VALUES, RUN, MARK = "connectomes.npy", "run.json", "chunk-{:06d}.json"


def stream_connectomes(
    series: Sequence,
    kind: str | Callable,
    out: str | Path,
    *,
    estimator: str | None = None,
    vectors: bool = False,
    usable=None,
    chunk: int = 64,
    jobs: int = 1,
) -> np.ndarray:
    """Write the connectome of every subject into ``out/connectomes.npy``, float32, and return it memory-mapped.

    Memory holds `chunk` subjects for each job (and as many again that wait). A finished chunk leaves a mark beside the
    file with the checksums of what went in and of what came out. The same call after a kill verifies these and computes
    what is unfinished, damaged, or has new input; a subject's numbers depend on nobody else in the call, nor on `chunk`
    or `jobs`. Work goes through ``joblib.Parallel``: ``joblib.parallel_config(backend="dask")`` puts it on a cluster
    whose machines share `out`.

    Parameters
    ----------
    series : sequence of (T_i, R)
        Time series, frames by regions; ``series[i]`` is asked for when its turn comes, so it may read a file.
    kind : str or callable
        A key of `KINDS`, or a named function ``(arrays, usable=mask) -> (B, ...)``, one row a subject.
    out : path
        A folder for this run alone.
    estimator : str or None
        See `functional_connectivity`; None for a function.
    vectors : bool
        Keep the upper triangle, (N, P), of the matrices, (N, R, R).
    usable : array (N, R) bool or None
        Regions to use. None: all.
    chunk : int
        Subjects at a time.
    jobs : int
        Chunks at a time: joblib's ``n_jobs``.

    Returns
    -------
    numpy.memmap (N, R, R) or (N, P) float32, read-only

    Raises
    ------
    InvalidOption, ShapeMismatch
        An argument is wrong, or is not what the unfinished run in `out` was started with.
    UnreadableFile, UnwritableFile
        A file in `out` is not what its name says, or the disk does not take one.
    GraphFuseError
        What `functional_connectivity` raises, with the subject's place in `series`.
    """
    check_range("chunk", chunk, 1)
    if not len(series):
        raise ShapeMismatch("Expected at least one time series; got none.")
    if usable is not None:
        usable = check_shape("usable", np.asarray(usable, dtype=bool), (len(series), None))
    name, function = _function(kind, estimator)
    work = partial(_values, function, vectors)
    row = _of_chunk(work, series, usable, 0, 1).shape[1:]  # the first subject tells the shape
    arguments = {"kind": name, "estimator": estimator, "vectors": bool(vectors), "chunk": chunk}
    out = make_folder(out)
    sweep_drafts(out)
    _open_run(out, {**arguments, "shape": [len(series), *row]})
    tasks = (
        delayed(_finish)(work, out, number, *_inputs(series, usable, first, chunk))
        for number, first in enumerate(range(0, len(series), chunk))
    )
    Parallel(n_jobs=jobs)(tasks)
    return _load(out)


def _function(kind: str | Callable, estimator: str | None) -> tuple[str, Callable]:
    if not callable(kind):
        return check_option("kind", kind, KINDS), partial(functional_connectivity, kind=kind, estimator=estimator)
    name = getattr(kind, "__qualname__", "<unnamed>")
    if "<" in name.replace("<locals>", ""):
        raise InvalidOption("kind must be a function with a name, by which its run is known again; define it with def.")
    if estimator is not None:
        raise InvalidOption(f"estimator must be None for a function, which has its own; got {estimator!r}.")
    return f"{kind.__module__}.{name}", kind


def _open_run(out: Path, arguments: dict) -> None:
    """Check that `out` holds this run, or begin it there."""
    if not (out / RUN).exists():
        _make_file(out / VALUES, tuple(arguments["shape"]))
        write_whole(out / RUN, json.dumps(arguments, indent=1).encode())
        return
    before = _read_json(out / RUN)
    for name, value in arguments.items():
        if before.get(name) != value:
            error = ShapeMismatch if name == "shape" else InvalidOption
            raise error(
                f"out holds a run with {name} = {before.get(name)!r}; got {value!r}. Give the same arguments, or "
                "another folder."
            )
    if _load(out).shape != tuple(arguments["shape"]):
        raise UnreadableFile(f"{VALUES!r} should have shape {tuple(arguments['shape'])}. Remove the folder, run again.")


def _make_file(path: Path, shape: tuple[int, ...]) -> None:
    try:
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    except OSError as error:
        raise UnwritableFile(
            f"Could not make {path.name!r}, which needs {4 * int(np.prod(shape)):,} bytes: {error.strerror or error}. "
            "Free space or choose another folder."
        ) from error


def _inputs(series, usable, first: int, chunk: int) -> tuple[int, list, np.ndarray | None]:
    last = min(first + chunk, len(series))
    return first, [series[i] for i in range(first, last)], None if usable is None else usable[first:last]


def _of_chunk(work: Callable, series, usable, first: int, chunk: int) -> np.ndarray:
    return work(*_inputs(series, usable, first, chunk))


def _values(function: Callable, vectors: bool, first: int, arrays: list, usable) -> np.ndarray:
    """What `function` makes of a chunk, float32; an error names the place in the whole series, not in the chunk."""
    try:
        values = function(arrays, usable=usable)
    except GraphFuseError as error:
        error.args = (re.sub(r"\b(series|usable)\[(\d+)\]", lambda m: f"{m[1]}[{int(m[2]) + first}]", str(error)),)
        raise
    values = upper_triangle(values) if vectors else values
    return np.ascontiguousarray(values, dtype=np.float32)


def _finish(work: Callable, out: Path, number: int, first: int, arrays: list, usable) -> None:
    """Compute and write one chunk, unless its mark and what it marks are there and whole."""
    mark, given = out / MARK.format(number), _digest(*arrays, usable)
    if _is_finished(out, mark, given, first, len(arrays)):
        return
    mark.unlink(missing_ok=True)
    values = work(first, arrays, usable)
    _write_rows(out / VALUES, first, values)
    write_whole(mark, json.dumps({"given": given, "made": _digest(values)}).encode())


def _is_finished(out: Path, mark: Path, given: str, first: int, count: int) -> bool:
    if not mark.exists():
        return False
    try:
        found = json.loads(mark.read_bytes())
    except ValueError:  # a damaged mark marks nothing
        return False
    return found == {"given": given, "made": _digest(_load(out)[first : first + count])}


def _write_rows(path: Path, first: int, values: np.ndarray) -> None:
    """Write through the file, not through a map: machines that share a page of it would overwrite each other."""
    try:
        with path.open("r+b") as file:
            file.seek(_load(path.parent).offset + first * values[0].nbytes)
            file.write(values.data)
            file.flush()
    except OSError as error:
        raise UnwritableFile(
            f"Could not write {values.nbytes:,} bytes into {path.name!r}: {error.strerror or error}. Free space, then "
            "run the same call again; what is finished stays."
        ) from error


def _digest(*arrays) -> str:
    digest = sha256()
    for array in arrays:
        array = np.ascontiguousarray(array) if array is not None else np.empty(0, bool)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _load(out: Path) -> np.memmap:
    try:
        return np.load(out / VALUES, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableFile(f"{VALUES!r} cannot be read{_why(error)}. Remove the folder and run again.") from error


def _read_json(path: Path) -> dict:
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise UnreadableFile(f"{path.name!r} cannot be read{_why(error)}. Remove the folder and run again.") from error


def _why(error: Exception) -> str:
    """What the system says, without the path, which may name a person."""
    return f": {error.strerror}" if getattr(error, "strerror", None) else ""
