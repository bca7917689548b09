"""Signal: one modality of N subjects, packed end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import pandas as pd

from graphfuse._check import check_finite, check_option
from graphfuse.atlas import Atlas
from graphfuse.errors import AtlasMismatch, ShapeMismatch

# kind -> (number of axes of one subject's array, the axis of the regions or None)
KINDS = {"timeseries": (2, 1), "measures": (2, 0), "connectivity": (2, 0), "vector": (1, None), "volume": (3, None)}

TELLING = 16  # values that two people do not share by chance


@dataclass(frozen=True, eq=False, repr=False)
class Signal:
    """One modality: every subject's array, packed, with its atlas.

    ``signal[i]`` is a view of subject i's array: ``timeseries`` (T_i, R), ``measures`` (R, M), ``connectivity``
    (R, R), ``vector`` (P,), ``volume`` (X, Y, Z). ``signal[rows]`` is a Signal of these subjects on the same memory.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    data : array
        ``timeseries``: frames of all subjects, (sum T_i, R). Other kinds: (number acquired, ...). May be memory-mapped.
    start, length : array (N,) int
        Where a subject begins in `data` and how many rows are his; length 0 = not acquired.
    usable : array (N, R) bool or None
        Regions that are neither constant nor non-finite; None for kinds without regions.
    atlas : Atlas or None
        The regions, in the order of the region axis.
    columns : tuple of str
        Names of the M measures or of the P entries of a vector.
    t_r : array (N,) float or None
        Repetition time [s]; NaN where unknown.
    """

    kind: str
    data: np.ndarray
    start: np.ndarray
    length: np.ndarray
    usable: np.ndarray | None = None
    atlas: Atlas | None = None
    columns: tuple[str, ...] = ()
    t_r: np.ndarray | None = None

    __iter__ = None

    def __post_init__(self):
        axes, region_axis = KINDS[check_option("kind", self.kind, KINDS)]
        wanted = axes if self.kind == "timeseries" else axes + 1
        if self.data.ndim != wanted:
            raise ShapeMismatch(f"A {self.kind} signal needs data of {wanted} axes; got shape {self.data.shape}.")
        if self.atlas is not None and region_axis is not None and self.n_regions != len(self.atlas):
            raise AtlasMismatch(
                f"The signal has {self.n_regions} regions; atlas {self.atlas.name!r} has {len(self.atlas)}. "
                "Name the atlas that the data were extracted with."
            )

    @classmethod
    def pack(
        cls,
        kind: str,
        arrays: Sequence[np.ndarray | None],
        atlas: Atlas | None = None,
        columns: Sequence[str] = (),
        t_r: np.ndarray | None = None,
    ) -> Signal:
        """Pack one array a subject (None = not acquired) and mask the regions that are constant or not finite.

        Raises
        ------
        ShapeMismatch
            Two subjects have arrays of different shapes.
        NonFinite
            A vector or volume with a NaN or an infinity: it has no regions that could be masked.
        """
        axes, region_axis = KINDS[check_option("kind", kind, KINDS)]
        shapes = {np.shape(a)[-1:] if kind == "timeseries" else np.shape(a) for a in arrays if a is not None}
        if len(shapes) > 1 or any(a is not None and np.ndim(a) != axes for a in arrays):
            raise ShapeMismatch(f"Every subject of a {kind} signal needs the same shape; got {sorted(shapes)}.")
        present = [np.asarray(a, dtype=np.float32) for a in arrays if a is not None]
        length = np.array([0 if a is None else (len(a) if kind == "timeseries" else 1) for a in arrays], dtype=np.int64)
        start = np.concatenate([[0], np.cumsum(length)[:-1]]).astype(np.int64) if len(length) else length
        if present:
            data = np.concatenate(present) if kind == "timeseries" else np.stack(present)
        else:
            data = np.zeros(_empty_shape(kind, len(atlas or ()), len(columns)), np.float32)
        usable = None
        if region_axis is not None:
            usable = np.zeros((len(arrays), data.shape[-1] if kind == "timeseries" else data.shape[1]), bool)
            usable[length > 0] = [_usable_regions(kind, a) for a in present] if present else False
        if region_axis is None:
            check_finite(f"A {kind} signal, which has no regions to mask,", data)
        data = data if np.isfinite(data).all() else np.where(np.isfinite(data), data, 0).astype(np.float32)
        return cls(kind, data, start, length, usable, atlas, tuple(columns), t_r)

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index):
        if isinstance(index, (int, np.integer)):
            if self.length[index] == 0:
                return None
            begin = self.start[index]
            return self.data[begin : begin + self.length[index]] if self.kind == "timeseries" else self.data[begin]
        usable = None if self.usable is None else self.usable[index]
        t_r = None if self.t_r is None else self.t_r[index]
        return replace(self, start=self.start[index], length=self.length[index], usable=usable, t_r=t_r)

    def __repr__(self) -> str:
        shape = (self.n_regions,) if self.kind == "timeseries" else self.data.shape[1:]
        return " x ".join(map(str, (int(self.present.sum()), *shape)))

    def __reduce__(self):
        packed = self.compact()
        return type(self), (
            packed.kind, np.asarray(packed.data), packed.start, packed.length, packed.usable, packed.atlas,
            packed.columns, packed.t_r,
        )  # fmt: skip

    @property
    def present(self) -> np.ndarray:
        """Who was measured, (N,) bool."""
        return self.length > 0

    @property
    def n_regions(self) -> int:
        """Number of regions R (of entries P for a vector)."""
        return self.data.shape[-1] if self.kind == "timeseries" else self.data.shape[1]

    @property
    def names(self) -> list[str]:
        """Region names, (R,); ``region 0 ...`` without an atlas."""
        return self.atlas.names if self.atlas is not None else [f"region {r}" for r in range(self.n_regions)]

    def arrays(self) -> list[np.ndarray]:
        """The arrays of the subjects who were measured, in order."""
        return [self[int(i)] for i in np.flatnonzero(self.present)]

    def stack(self) -> np.ndarray:
        """The subjects who were measured as one array (n, ...); not for time series, whose lengths differ."""
        if self.kind == "timeseries":
            raise ShapeMismatch("Time series differ in length; use arrays().")
        return self.data[self.start[self.present]]

    def compact(self) -> Signal:
        """A copy that holds these subjects and nobody else (what is pickled or saved)."""
        start = np.concatenate([[0], np.cumsum(self.length)])[:-1].astype(np.int64)
        if len(self.data) == int(self.length.sum()) and (start == self.start)[self.present].all():
            return self
        rows = [np.arange(s, s + n) for s, n in zip(self.start, self.length, strict=True)]
        return replace(self, data=self.data[np.concatenate([*rows, []]).astype(int)], start=start)

    def fingerprints(self) -> np.ndarray:
        """A hash of each subject's values, (N,) object; equal values, equal hash.

        None where not acquired, and where an array has fewer than `TELLING` values: two people may share these.
        """
        marks = np.full(len(self), None, dtype=object)
        if self.kind != "timeseries" and np.prod(self.data.shape[1:]) < TELLING:
            return marks
        for i in np.flatnonzero(self.present):
            marks[i] = blake2b(np.ascontiguousarray(self[int(i)]).tobytes(), digest_size=16).hexdigest()
        return marks

    def unusable(self, subjects: pd.Index) -> pd.DataFrame:
        """Masked regions of the measured subjects: subject, region, reason."""
        rows = []
        if self.usable is not None:
            for i, r in np.argwhere(~self.usable & self.present[:, None]):
                rows.append((subjects[i], self.names[r], "constant, absent or not finite"))
        return pd.DataFrame(rows, columns=["subject", "region", "reason"])


def _empty_shape(kind: str, n_regions: int, n_columns: int) -> tuple[int, ...]:
    """Shape of packed data of nobody."""
    shapes = {
        "timeseries": (n_regions,),
        "measures": (n_regions, n_columns),
        "connectivity": (n_regions, n_regions),
        "vector": (n_columns,),
        "volume": (0, 0, 0),
    }
    return (0, *shapes[kind])


def _usable_regions(kind: str, array: np.ndarray) -> np.ndarray:
    """Which regions (R,) bool of one subject are finite and, in a time series, vary."""
    if kind == "timeseries":
        with np.errstate(invalid="ignore", over="ignore"):
            return np.isfinite(array).all(0) & (np.ptp(array, axis=0) > 0)
    if kind == "measures":
        return np.isfinite(array).all(1) & (array != 0).any(1)
    known = np.isfinite(array) & ~np.eye(len(array), dtype=bool)
    alive = (known & (array != 0)).any(1)
    return alive & ~((~np.isfinite(array) & alive).any(1))  # a NaN between two living regions masks both
