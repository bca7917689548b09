"""Time series of unequal length, grouped into batches of equal length and checked at the door."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import MissingModality, NonFinite, ShapeMismatch, ShortSeries, UnusableRegion

BATCH_NUMBERS = 2**19  # numbers in one batch: few enough for the cache, many enough to hide the calls
DEVICE_NUMBERS = 2**24  # the same on a GPU, which wants many at once


class Batch(NamedTuple):
    """Subjects of one length.

    Attributes
    ----------
    rows : list of int
        Their positions in the sequence that was given.
    x : Tensor (B, T, R)
        Their series; columns that are not usable are 0.
    usable : Tensor (B, R) bool
        Regions that carry a signal.
    low, high : Tensor (B, R)
        Smallest and largest value of a region.
    """

    rows: list[int]
    x: Tensor
    usable: Tensor
    low: Tensor
    high: Tensor


def subject_arrays(series: Sequence | Tensor | np.ndarray) -> list:
    """List the arrays (T_i, R) of a sequence, of a (B, T, R) array, or of one subject's (T, R) array.

    Raises
    ------
    MissingModality, ShapeMismatch, ShortSeries
    """
    series = [series] if getattr(series, "ndim", None) == 2 else series
    arrays = [series[i] for i in range(len(series))]
    if not arrays:
        raise ShapeMismatch("Expected at least one time series; got none.")
    for i, array in enumerate(arrays):
        if array is None:
            raise MissingModality(
                f"series[{i}] was not acquired; pass signal.arrays(), the subjects who were measured."
            )
        check_shape(f"series[{i}]", array, (None, arrays[0].shape[-1]))
        if len(array) < 2:
            raise ShortSeries(f"series[{i}] needs at least 2 frames; got {len(array)}. Leave the subject out.")
    return arrays


def equal_length_batches(
    series: Sequence | Tensor | np.ndarray, usable=None, *, device="cpu", dtype: torch.dtype = torch.float32
) -> Iterator[Batch]:
    """Yield the subjects in batches of equal length and bounded memory, on `device`.

    Parameters
    ----------
    series : sequence of (T_i, R), or (B, T, R), or (T, R)
        Time series, frames by regions.
    usable : array (B, R) bool or None
        Regions to use; what stands in the others is never looked at. None: all.
    device, dtype
        Where, and in at least which precision: float64 series stay float64.

    Raises
    ------
    NonFinite
        A NaN or an infinity in a region that counts as usable.
    UnusableRegion
        A constant region that counts as usable, or a subject without usable regions.
    """
    arrays = subject_arrays(series)
    usable = usable_mask(usable, len(arrays), arrays[0].shape[-1])
    for rows in rows_of_equal_length(arrays, device):
        yield load_batch(arrays, rows, usable, device, dtype)


def load_batch(arrays: list, rows: list[int], usable: Tensor, device, dtype: torch.dtype) -> Batch:
    """Stack the subjects of `rows`, all of one length, into new memory; check them as `equal_length_batches` does."""
    x = _stack([arrays[i] for i in rows]).to(device)
    x = x.to(torch.promote_types(x.dtype, dtype))  # (B, T, R)
    keep = usable[rows].to(device)
    if not keep.all():
        x = torch.where(keep[:, None], x, 0)
    low, high = x.amin(1), x.amax(1)  # (B, R); both pass a NaN on
    _check_regions(low, high, keep, rows)
    return Batch(rows, x, keep, low, high)


def rows_of_equal_length(arrays: list, device="cpu") -> Iterator[list[int]]:
    """Yield the positions of subjects that make up a batch: of one length, and few enough."""
    lengths = np.array([len(array) for array in arrays])
    regions = arrays[0].shape[-1]
    numbers = BATCH_NUMBERS if torch.device(device).type == "cpu" else DEVICE_NUMBERS
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length).tolist()
        size = max(1, numbers // (regions * (int(length) + regions)))
        yield from (rows[i : i + size] for i in range(0, len(rows), size))


def empty(shape: tuple[int, ...], device, dtype: torch.dtype) -> Tensor:
    """Return memory for a result; on a CPU from numpy, which asks the system for large pages: they are there sooner."""
    if torch.device(device).type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.from_numpy(np.empty(shape, dtype=str(dtype).removeprefix("torch.")))


def _stack(arrays: list) -> Tensor:
    if isinstance(arrays[0], Tensor):
        return torch.stack([array.detach() for array in arrays])
    return torch.from_numpy(np.stack(arrays))  # a copy: a read-only memory map stays untouched


def usable_mask(usable, n_subjects: int, n_regions: int) -> Tensor:
    """Return the mask (B, R) bool, all True for None, or raise unless it fits and leaves each subject a region."""
    if usable is None:
        return torch.ones(n_subjects, n_regions, dtype=torch.bool)
    usable = torch.as_tensor(np.array(usable, dtype=bool) if not isinstance(usable, Tensor) else usable.cpu().bool())
    check_shape("usable", usable, (n_subjects, n_regions))
    if not usable.any(1).all():
        row = int((~usable.any(1)).nonzero()[0])
        raise UnusableRegion(f"usable[{row}] marks no region as usable; leave the subject out.")
    return usable


def _check_regions(low: Tensor, high: Tensor, usable: Tensor, rows: list[int]) -> None:
    """Raise unless every usable region of every subject is finite and varies."""
    infinite = ~(low.isfinite() & high.isfinite())
    constant = (low == high) & usable
    if infinite.any():
        row, region = infinite.nonzero()[0].tolist()
        raise NonFinite(f"series[{rows[row]}] must be finite; region {region} is not. Mark it in `usable` as False.")
    if constant.any():
        row, region = constant.nonzero()[0].tolist()
        raise UnusableRegion(f"series[{rows[row]}], region {region} is constant. Mark it in `usable` as False.")
