"""Sliding windows: connectivity of every stretch of a time series, plain or tapered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_option, check_range, check_shape
from graphfuse._memory import check_memory
from graphfuse.connectome.rolling import window_covariance
from graphfuse.connectome.series import empty, equal_length_batches, subject_arrays
from graphfuse.connectome.shares import share_out
from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch, ShortSeries
from graphfuse.kernels.finite import check_finite

Series = Sequence | Tensor | np.ndarray
Frames = int | Sequence[int] | np.ndarray  # one number for all subjects, or one a subject

# Weights of the L frames of a window, from the position in [-1, 1] of each; no weight is 0.
TAPERS = {
    "gaussian": lambda place: torch.exp(-(place * 3).square() / 2),  # three standard deviations to either side
    "hamming": lambda place: 0.54 + 0.46 * torch.cos(torch.pi * place),
    "triangle": lambda place: 1.1 - place.abs(),
}
WINDOW_KINDS = ("correlation", "covariance")


def sliding_windows(n_frames: int, length: int, step: int = 1) -> np.ndarray:
    """First frame of each window, (W,): ``0, step, 2 step, ...``; ``W = (T - L) // step + 1``, all windows are full.

    Parameters
    ----------
    n_frames : int
        T.
    length, step : int
        L, from 2 on, and the distance of two windows, from 1 on [frames].

    Raises
    ------
    ShortSeries
        The series is shorter than one window.
    InvalidOption
    """
    check_range("length", length, 2)
    check_range("step", step, 1)
    if n_frames < length:
        raise ShortSeries(f"A window of {length} frames needs a series as long; got {n_frames}. Shorten the window.")
    return np.arange(0, n_frames - length + 1, step)


def taper_weights(taper: str | Tensor | np.ndarray | None, length: int) -> Tensor:
    """Weights of the frames of a window, (L,) float64, which sum to 1.

    Parameters
    ----------
    taper : str or array (L,) or None
        A key of `TAPERS`, or weights from 0 on, at least two of them above it. None: all equal.
    length : int
        L.

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite
    """
    if taper is None:
        return torch.full((length,), 1 / length, dtype=torch.float64)
    if isinstance(taper, str):
        weights = TAPERS[check_option("taper", taper, TAPERS)](torch.linspace(-1, 1, length, dtype=torch.float64))
    else:
        weights = check_shape("taper", torch.as_tensor(taper), (length,)).double()
        check_finite("taper", weights, remedy="Give a finite weight to each frame.")
    if (weights < 0).any() or (weights > 0).sum() < 2:
        raise InvalidOption("taper must hold weights from 0 on, at least two of them above 0.")
    weights = weights / weights.max()  # first, so that the sum cannot overflow
    return weights / weights.sum()


def sliding_connectivity(
    series: Series, length: int, step: int = 1, kind="correlation", taper=None, *, usable=None, device="cpu",
    dtype=torch.float32,
) -> Tensor:  # fmt: skip
    """Connectivity of every pair of regions in every window of equally long series.

    With the weights ``w_t`` of the taper, which sum to 1 (``1 / L`` without), and the means ``m_i = sum_t w_t x_ti``
    over the window: ``c_ij = sum_t w_t (x_ti - m_i) (x_tj - m_j)``; ``r_ij = c_ij / sqrt(c_ii c_jj)``.

    A region that is constant inside a window has r = 0 there, and 1 on the diagonal (covariance: 0); one that is
    constant over its whole series must be marked in `usable`. Sums are taken in float64, products of tapered windows
    in `dtype`. The result is symmetric to the bit.

    Parameters
    ----------
    series : (B, T, R), or sequence of (T, R), or (T, R)
        Time series, frames by regions.
    length, step : int
        Of a window, and from one to the next [frames]; see `sliding_windows`.
    kind : {"correlation", "covariance"}
    taper : str or array (L,) or None
        See `taper_weights`.
    usable : array (B, R) bool or None
        Regions to use; the others influence nothing and are treated as constant. None: all.
    device, dtype
        Where, and float32 or float64.

    Returns
    -------
    Tensor (B, W, R, R)

    Raises
    ------
    ShortSeries
        A series is shorter than one window.
    ShapeMismatch
        Lengths differ; `packed_connectivity` takes those.
    UnusableRegion, NonFinite, MemoryBudget, InvalidOption, MissingModality

    References
    ----------
    Allen et al. (2014), Tracking whole-brain connectivity dynamics in the resting state, Cereb Cortex 24 (tapered
    windows); Pozzi, Di Matteo and Aste (2012), Exponential smoothing weighted correlations, Eur Phys J B 85 (the
    weighted correlation).
    """
    arrays = subject_arrays(series)
    if len({len(array) for array in arrays}) > 1:
        raise ShapeMismatch("series must have one length for a (B, W, R, R) result; use packed_connectivity.")
    packed, _ = packed_connectivity(arrays, length, step, kind, taper, usable=usable, device=device, dtype=dtype)
    return packed.unflatten(0, (len(arrays), -1))


def packed_connectivity(
    series: Series, length: Frames, step: Frames = 1, kind="correlation", taper=None, *, usable=None, device="cpu",
    dtype=torch.float32,
) -> tuple[Tensor, np.ndarray]:  # fmt: skip
    """`sliding_connectivity` of series whose lengths differ, as do perhaps the windows [frames] of each subject.

    Parameters
    ----------
    series : sequence of (T_i, R)
    length, step : int or (B,) int
        For all subjects, or for each: a window of so many seconds is as many frames as a site's repetition time says.
    kind, taper, usable, device, dtype
        As for `sliding_connectivity`; a taper that is an array fits one length only.

    Returns
    -------
    matrices : Tensor (sum W_i, R, R)
    offsets : array (B + 1,) int
        Subject i owns ``matrices[offsets[i]:offsets[i + 1]]``.

    Errors are those of `sliding_connectivity`.
    """
    arrays = subject_arrays(series)
    offsets, regions = _offsets(arrays, length, step), arrays[0].shape[-1]
    result = _empty((int(offsets[-1]), regions, regions), device, dtype)

    def write(subject: tuple) -> None:
        row = subject[0]
        _fill(*subject, kind, result[offsets[row] : offsets[row + 1]])

    batches = _batches(arrays, length, step, kind, taper, usable, result.device, dtype)
    share_out(write, list(chain.from_iterable(batches)), device=result.device)  # each thread touches its own memory
    return result, offsets


def iterate_connectivity(
    series: Series, length: Frames, step: Frames = 1, kind="correlation", taper=None, *, usable=None, device="cpu",
    dtype=torch.float32,
) -> Iterator[tuple[int, Tensor]]:  # fmt: skip
    """Yield ``(i, matrices (W_i, R, R))`` of one subject after the other, in memory for one of them.

    Subjects of equal length come together, so the order is not that of `series`: `i` tells the row. A yielded tensor
    is written again for the next subject; copy what is to stay.

    Arguments and errors are those of `packed_connectivity`.
    """
    arrays = subject_arrays(series)
    offsets, regions = _offsets(arrays, length, step), arrays[0].shape[-1]
    buffer = _empty((int(np.diff(offsets).max()), regions, regions), device, dtype)
    for batch in _batches(arrays, length, step, kind, taper, usable, buffer.device, dtype):
        for subject in batch:
            out = buffer[: offsets[subject[0] + 1] - offsets[subject[0]]]
            _fill(*subject, kind, out)
            yield subject[0], out


def _batches(arrays, length, step, kind, taper, usable, device, dtype) -> Iterator[list[tuple]]:
    """Yield what `_fill` needs of each subject, batch by batch: (row, x (T, R), weights (L,), step)."""
    check_option("kind", kind, WINDOW_KINDS)
    length, step = (np.broadcast_to(frames, len(arrays)) for frames in (length, step))
    weights = {int(n): taper_weights(taper, int(n)).to(device) for n in np.unique(length)}
    for batch in equal_length_batches(arrays, usable, device=device, dtype=dtype):
        pairs = zip(batch.rows, batch.x, strict=True)
        yield [(row, x, weights[int(length[row])], int(step[row])) for row, x in pairs]


def _fill(row: int, x: Tensor, weights: Tensor, step: int, kind: str, out: Tensor) -> None:
    """Connectivity of the windows of x (T, R) into out (W, R, R)."""
    z = x.double()
    peak = z.abs().amax(0)
    z = (z / torch.where(peak > 0, peak, 1)).contiguous()  # in [-1, 1], so that no square overflows
    window_covariance(z, weights, step, None if kind == "correlation" else peak, out)
    if kind == "covariance" and not out.isfinite().all():
        raise NonFinite(f"The values of series[{row}] are too large for {out.dtype}. Rescale the series.")


def _offsets(arrays: list, length: Frames, step: Frames) -> np.ndarray:
    """Where each subject's windows begin, (B + 1,); raises where one has no window."""
    length, step = (np.broadcast_to(np.asarray(frames), len(arrays)) for frames in (length, step))
    counts = [
        len(sliding_windows(len(array), int(n), int(s))) for array, n, s in zip(arrays, length, step, strict=True)
    ]
    return np.cumsum([0, *counts])


def _empty(shape: tuple[int, ...], device, dtype: torch.dtype) -> Tensor:
    """Memory for the result, if there is enough."""
    if dtype not in (torch.float32, torch.float64):
        raise InvalidOption(f"dtype must be torch.float32 or torch.float64; got {dtype}.")
    check_memory(
        f"Windows of {shape[0]} times {shape[1]} x {shape[2]} regions",
        1.1 * np.prod(shape, dtype=float) * dtype.itemsize,
        "Use iterate_connectivity, a larger step, or fewer subjects at a time.",
    )
    return empty(shape, device, dtype)
