"""Edge time series: how two regions move together frame by frame, and the frames in which the whole brain does."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse._memory import check_memory
from graphfuse.connectome.series import equal_length_batches
from graphfuse.kernels.finite import check_finite


def edge_series(series: Tensor | np.ndarray, *, usable=None, device="cpu", dtype=torch.float32) -> Tensor:
    """Products of z-scores, edge by edge: ``e_ij(t) = z_i(t) z_j(t)``, whose mean over frames is the correlation.

    z-scores use the standard deviation over T frames (not T - 1), so that this holds to rounding.

    Parameters
    ----------
    series : (B, T, R), or (T, R)
        Time series of equal length, frames by regions.
    usable : array (B, R) bool or None
        Regions to use; the edges of the others are 0. None: all.
    device, dtype
        Where, and in which precision.

    Returns
    -------
    Tensor (B, T, P)
        ``P = R (R - 1) / 2``, in the order of `upper_triangle`.

    Raises
    ------
    UnusableRegion, NonFinite, ShortSeries, ShapeMismatch, MissingModality, MemoryBudget

    References
    ----------
    Faskowitz et al. (2020), Edge-centric functional network representations of human cerebral cortex reveal
    overlapping system-level architecture, Nat Neurosci 23.
    """
    z = standardised(series, usable=usable, device=device, dtype=dtype)
    n, frames, regions = z.shape
    edges = regions * (regions - 1) // 2
    check_memory(
        f"The edge series of {n} subjects, {frames} frames and {regions} regions",
        1.1 * n * frames * edges * z.dtype.itemsize,
        "Use edge_amplitude, which needs no edges, or fewer subjects at a time.",
    )
    result = z.new_empty(n, frames, edges)
    first = 0
    for i in range(regions - 1):  # the edges of region i with those after it lie side by side
        last = first + regions - 1 - i
        torch.mul(z[..., i, None], z[..., i + 1 :], out=result[..., first:last])
        first = last
    return result


def edge_amplitude(series: Tensor | np.ndarray, *, usable=None, device="cpu", dtype=torch.float32) -> Tensor:
    """Root of the sum of squares of the edges in each frame: ``a(t) = sqrt(sum_{i<j} e_ij(t)^2)``, without the edges.

    ``sum_{i<j} z_i^2 z_j^2 = ((sum_i z_i^2)^2 - sum_i z_i^4) / 2``: R numbers a frame instead of R (R - 1) / 2.

    Parameters
    ----------
    series, usable, device, dtype
        As for `edge_series`.

    Returns
    -------
    Tensor (B, T)

    Errors are those of `edge_series`.

    References
    ----------
    Zamani Esfahlani et al. (2020), High-amplitude cofluctuations in cortical activity drive functional connectivity,
    PNAS 117.
    """
    square = standardised(series, usable=usable, device=device, dtype=torch.float64).square()
    double = square.sum(2).square() - square.square().sum(2)  # (B, T)
    return (double.clamp(min=0) / 2).sqrt().to(dtype)


def high_amplitude_frames(amplitude: Tensor | np.ndarray, share: float = 0.05) -> Tensor:
    """Mark each subject's ``ceil(share T)`` frames of the largest amplitude; of equals the earlier one.

    Parameters
    ----------
    amplitude : array (B, T)
        Of `edge_amplitude`.
    share : float
        In (0, 1].

    Returns
    -------
    Tensor (B, T) bool

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite
    """
    amplitude = check_finite("amplitude", torch.as_tensor(amplitude))
    check_shape("amplitude", amplitude, (None, None))
    check_range("share", share, 0, 1, open_low=True)
    count = int(np.ceil(share * amplitude.shape[1] - 1e-9))  # less a hair: 0.1 * 30 is not quite 3
    order = amplitude.argsort(dim=1, descending=True, stable=True)
    return torch.zeros_like(amplitude, dtype=torch.bool).scatter_(1, order[:, :count], True)


def standardised(series: Tensor | np.ndarray, *, usable=None, device="cpu", dtype=torch.float32) -> Tensor:
    """z-scores over frames, (B, T, R), of series of equal length, taken in float64; 0 for unusable regions.

    Arguments and errors are those of `edge_series`.
    """
    series = series if isinstance(series, Tensor) else np.asarray(series)
    check_shape("series", series, (None, None) if series.ndim == 2 else (None, None, None))
    result = torch.empty((1, *series.shape)[-3:], dtype=dtype, device=device)
    for batch in equal_length_batches(series, usable, device=device, dtype=torch.float64):
        z = batch.x / 2  # halves, so that no difference overflows
        z = z - z[:, :1]
        peak = z.abs().amax(1, keepdim=True)
        z = z / torch.where(peak > 0, peak, 1)
        z = z - z.mean(1, keepdim=True)
        deviation = z.square().mean(1, keepdim=True).sqrt()
        result[batch.rows] = (z / torch.where(deviation > 0, deviation, 1)).to(dtype)
    return result
