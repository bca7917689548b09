"""Lagged correlation: how alike two series are when one may run behind the other."""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple

import torch
from torch import Tensor

from graphfuse._check import check_range
from graphfuse.connectome.pairwise import Series, check_matrices, each_batch, empty_matrices, mask_pairs, standardise
from graphfuse.connectome.series import Batch
from graphfuse.errors import InvalidOption, ShortSeries


class Lagged(NamedTuple):
    """What `lagged_correlation` returns.

    Attributes
    ----------
    value : Tensor (B, R, R)
        Correlation at the lag where it is largest in absolute value; symmetric, diagonal 1.
    lag : Tensor (B, R, R) int32
        That lag [frames]; antisymmetric. Above 0: region j (column) follows region i (row).
    """

    value: Tensor
    lag: Tensor


def lagged_correlation(
    series: Series, max_lag: int, *, usable=None, device="cpu", dtype: torch.dtype = torch.float32
) -> Lagged:
    """Cross-correlation of every pair of regions at the lag, up to `max_lag`, where it is largest in absolute value.

    ``c_ij(l) = sum_t z_i(t) z_j(t + l) / T`` of the z-scored series, over the ``T - |l|`` frames that overlap but
    divided by T: no value exceeds 1, and a long lag over few frames cannot win by chance alone. Of equal values the
    shortest lag is taken, and of l and -l the one that is positive above the diagonal.

    Parameters
    ----------
    series : sequence of (T_i, R), or (B, T, R), or (T, R)
        Time series, frames by regions; lengths may differ.
    max_lag : int
        Largest lag L [frames]; ``-L .. L`` are tried. A lag in frames is another time where the t_r differs.
    usable : array (B, R) bool or None
        Regions to use; the others influence nothing (value and lag 0). None: all.
    device, dtype
        Where and in which precision.

    Returns
    -------
    Lagged
        ``value`` and ``lag``, (B, R, R) each.

    Raises
    ------
    ShortSeries
        A series of fewer than ``max_lag + 2`` frames.
    InvalidOption, UnusableRegion, NonFinite, ShapeMismatch, MissingModality

    References
    ----------
    Mitra et al. (2014), Lag structure in resting-state fMRI, J Neurophysiol 111 (lags of the extreme of the
    cross-covariance; the division by T, and whole frames without interpolation, are our choice).
    """
    if not isinstance(max_lag, Integral):
        raise InvalidOption(f"max_lag must be a whole number of frames; got {max_lag!r}.")
    check_range("max_lag", max_lag, 0)
    value = empty_matrices(series, device=device, dtype=dtype)
    lag = empty_matrices(series, device=device, dtype=torch.int32)

    def work(batch: Batch) -> None:
        _check_length(batch, max_lag)
        best, at = _both_ways(*_following(standardise(batch.x), int(max_lag)))
        value[batch.rows] = check_matrices(mask_pairs(best.clamp(-1, 1), batch.usable, 1.0).to(dtype), batch.rows)
        lag[batch.rows] = mask_pairs(at, batch.usable, 0)

    each_batch(work, series, usable, device=device, dtype=dtype)
    return Lagged(value, lag)


def _check_length(batch: Batch, max_lag: int) -> None:
    if batch.x.shape[1] < max_lag + 2:
        raise ShortSeries(
            f"series[{batch.rows[0]}] has {batch.x.shape[1]} frames; max_lag = {max_lag} needs {max_lag + 2}. "
            "Lower max_lag, or leave the subject out."
        )


def _following(z: Tensor, max_lag: int) -> tuple[Tensor, Tensor]:
    """Extreme of ``c_ij(l)`` over ``l = 0 .. L``, j following i, and the l: one product a lag, (b, R, R) twice."""
    n_frames = z.shape[1]
    best = z.mT @ z / n_frames
    best = (best + best.mT) / 2  # a BLAS need not return a symmetric Z^T Z
    at = torch.zeros_like(best, dtype=torch.int32)
    for lag in range(1, max_lag + 1):
        c = z[:, : n_frames - lag].mT @ z[:, lag:] / n_frames
        larger = c.abs() > best.abs()
        best, at = torch.where(larger, c, best), torch.where(larger, lag, at)
    return best, at


def _both_ways(best: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Let i follow j too: ``c_ij(-l) = c_ji(l)``, so the other half of the lags stands in the transpose."""
    here, there = best.abs(), best.mT.abs()
    earlier = (there == here) & (at.mT < at)
    swap = ((there > here) | earlier).triu(1)
    upper, lag = torch.where(swap, best.mT, best).triu(1), torch.where(swap, -at.mT, at).triu(1)
    return upper + upper.mT, lag - lag.mT
