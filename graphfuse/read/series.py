"""Time series and ready connectivity matrices: one file a subject."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, ShapeMismatch, ShortSeries, TransposedSeries
from graphfuse.read.matrix import read_matrix
from graphfuse.read.regions import find_columns, place_regions
from graphfuse.read.suspicion import warn_of_squares


def read_series(
    path: Path,
    atlas: Atlas | None = None,
    transposed: bool = False,
    variable: str | None = None,
    min_frames: int = 30,
) -> np.ndarray:
    """Read one subject's regional time series, (T, R) float32, columns in the order of the atlas.

    A header is matched by label value or name: what the atlas lacks is dropped, what the file lacks is NaN. Without a
    header there must be R columns.

    Parameters
    ----------
    path : Path
    atlas : Atlas or None
    transposed : bool
        Whether the file lies regions by frames; never inferred.
    variable : str or None
        Of a .mat file.
    min_frames : int
        Fewest frames T.

    Raises
    ------
    UnreadableFile, AtlasMismatch
    TransposedSeries
        R rows and another number of columns.
    ShortSeries
        T < `min_frames`.
    """
    array, header = read_matrix(path, variable, _labels(atlas))
    if transposed:
        array, header = array.T, None
    if header is None and atlas is not None and array.shape[1] != len(atlas) == array.shape[0]:
        raise _lies_across(array.shape, atlas, transposed)
    series = place_regions(array, header, atlas)
    check_frames(len(series), min_frames)
    with np.errstate(over="ignore"):  # a value beyond float32 becomes infinite, and its region is masked
        return series.astype(np.float32)


def check_frames(frames: int, min_frames: int = 30) -> None:
    """Raise `ShortSeries` if there are fewer than `min_frames` frames."""
    if frames < min_frames:
        raise ShortSeries(
            f"The series has {frames} frames; at least {min_frames} are needed. Leave the run out or check that it is "
            "whole."
        )


def check_lying(arrays: list[np.ndarray], atlas: Atlas | None = None, source: str = "signals") -> None:
    """Raise where series that nobody said how they lie (`transposed`) look like regions by frames; warn if square.

    Without an atlas the number of regions is unknown: series of several subjects that share their rows and not their
    columns lie across, and so do those that all have the same shape with fewer rows than columns.
    """
    warn_of_squares(source, arrays)
    if atlas is not None:
        return
    rows, columns = ({a.shape[axis] for a in arrays} for axis in (0, 1))
    if len(columns) == len(rows) == 1 and min(rows) < min(columns):
        raise TransposedSeries(
            f"All series have {min(rows)} rows and {min(columns)} columns: frames by regions, or the other way round? "
            "Name the atlas, or say transposed = false or true."
        )
    if len(columns) > 1 and len(rows) == 1:
        raise TransposedSeries(
            f"All series have {min(rows)} rows and {min(columns)} to {max(columns)} columns: regions by frames. "
            "Say transposed = true."
        )
    if len(columns) > 1:
        raise ShapeMismatch(f"The series have {min(columns)} to {max(columns)} columns; all need the same regions.")


def read_connectivity(
    path: Path, atlas: Atlas | None = None, symmetrise: bool = False, variable: str | None = None
) -> np.ndarray:
    """Read one subject's connectivity matrix, (R, R) float32, in the order of the atlas.

    Parameters
    ----------
    path : Path
    atlas : Atlas or None
    symmetrise : bool
        Whether a matrix that is not symmetric becomes ``(W + W^T) / 2``; without it that is an error.
    variable : str or None
        Of a .mat file.

    Raises
    ------
    UnreadableFile, AtlasMismatch, ShapeMismatch
    """
    array, header = read_matrix(path, variable, _labels(atlas))
    if array.shape[0] != array.shape[1]:
        raise ShapeMismatch(f"A connectivity matrix must be square; got {array.shape}.")
    if atlas is not None:
        array = _place_both(array, header, atlas)
    array = np.where(np.isfinite(array), array, np.nan)
    gap = np.nanmax(np.abs(array - array.T), initial=0)
    if gap > 1e-4 * np.nanmax(np.abs(array), initial=0):
        if not symmetrise:
            raise ShapeMismatch(
                f"The connectivity matrix is not symmetric (by up to {gap:.3g}). Say symmetrise = true."
            )
        array = (array + array.T) / 2
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _place_both(array: np.ndarray, header: list[str] | None, atlas: Atlas) -> np.ndarray:
    """Rows and columns in the order of the atlas."""
    if header is None:
        if len(array) != len(atlas):
            raise AtlasMismatch(
                f"The matrix has {len(array)} regions; atlas {atlas.name!r} has {len(atlas)}. Name the atlas that the "
                "data were extracted with."
            )
        return array
    places = find_columns(header, atlas)
    known = np.flatnonzero(places >= 0)
    out = np.full((len(atlas), len(atlas)), np.nan)  # (R, R)
    out[np.ix_(known, known)] = array[np.ix_(places[known], places[known])]
    return out


def _lies_across(shape: tuple[int, int], atlas: Atlas, transposed: bool) -> TransposedSeries:
    said = "transposed = true was said and is wrong here" if transposed else "Say transposed = true if so"
    return TransposedSeries(
        f"Expected (frames, {len(atlas)} regions); got {shape[0]} x {shape[1]}, which looks like regions by frames. "
        f"{said}."
    )


def _labels(atlas: Atlas | None) -> list[str]:
    return [] if atlas is None else [str(label) for label in atlas.regions["label"] if label != -1]
