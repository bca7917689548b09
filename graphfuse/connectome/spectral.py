"""Connectivity within a frequency band: coherence, and phase locking."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil, floor

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.connectome.pairwise import Series, per_subject, standardise
from graphfuse.connectome.series import Batch, subject_arrays
from graphfuse.errors import InvalidOption, ShortSeries, UnusableRegion

SLACK = 1e-6  # of the distance between two bins: a band's edge that lies on a bin includes it
LONGEST = 1e9  # of segments [s]; any number that is finite would do


def coherence(
    series: Series, t_r, band: tuple[float, float] = (0.01, 0.1), segment: float = 60.0, overlap: float = 0.5,
    *, usable=None, device="cpu", dtype: torch.dtype = torch.float32,
) -> Tensor:  # fmt: skip
    """Magnitude-squared coherence of every pair of regions by Welch's method, averaged over the bins of a band.

    ``C_ij = mean_f |S_ij(f)|^2 / (S_ii(f) S_jj(f))``, ``low <= f <= high``, S summed over segments, each centred and
    under a Hann window. Equals the mean of ``scipy.signal.coherence(nperseg=L, noverlap=floor(overlap L))`` over the
    same bins, with ``L = round(segment / t_r)`` frames; where a region has no power at a bin, its coherence there is
    0. Independent regions reach about 1 over the number of segments, so compare subjects of one length only.

    Parameters
    ----------
    series : sequence of (T_i, R), or (B, T, R), or (T, R)
        Time series, frames by regions; lengths may differ.
    t_r : float or array (B,)
        Repetition time [s], one for all or one a subject.
    band : (float, float)
        Lowest and highest frequency [Hz], both included.
    segment : float
        Length of a segment [s]; its inverse is the distance of two bins [Hz].
    overlap : float
        Share of a segment that the next one repeats, in [0, 1).
    usable : array (B, R) bool or None
        Regions to use; the others influence nothing. None: all.
    device, dtype
        Where and in which precision.

    Returns
    -------
    Tensor (B, R, R)
        Between 0 and 1; the diagonal is exactly 1.

    Raises
    ------
    InvalidOption
        A band beyond the Nyquist frequency ``1 / (2 t_r)``, or one that holds no bin ``k / (L t_r)``.
    ShortSeries
        Fewer than two segments: the coherence of one is 1, whatever the series.
    UnusableRegion
        A region that counts as usable is constant, or has no power in the band.
    NonFinite, ShapeMismatch, MissingModality

    References
    ----------
    Welch (1967), The use of fast Fourier transform for the estimation of power spectra, IEEE Trans Audio 15.
    Sun, Miller and D'Esposito (2004), Measuring interregional functional connectivity using coherence, NeuroImage 21.
    """
    check_range("segment", segment, 0, LONGEST, open_low=True)
    if not 0 <= overlap < 1:
        raise InvalidOption(f"overlap must lie in [0, 1); got {overlap!r}.")
    measure = partial(_coherence, band=_check_band(band), segment=segment, overlap=overlap)
    return _per_subject(measure, series, t_r, usable, device, dtype)


def phase_locking(
    series: Series, t_r, band: tuple[float, float] = (0.01, 0.1), *, usable=None, device="cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:  # fmt: skip
    """Phase-locking value of every pair of regions: ``|mean_t exp(i (theta_i(t) - theta_j(t)))|``.

    ``theta`` is the phase of the analytic signal: the Fourier bins of the band, at positive frequencies, transformed
    back. That is an ideal band-pass (no filter order to choose, no shift in time) and Hilbert's transform in one; it
    takes the series as periodic. Independent regions reach about 0.8 over the square root of the number of bins, so
    compare subjects of one length only.

    Arguments are those of `coherence`.

    Returns
    -------
    Tensor (B, R, R)
        Between 0 and 1; the diagonal is exactly 1.

    Raises
    ------
    InvalidOption
        A band beyond the Nyquist frequency ``1 / (2 t_r)``, or one that holds no bin ``k / (T t_r)``.
    ShortSeries
        One bin only: the phase difference of two sines of one frequency is constant, whatever the series.
    UnusableRegion
        A region that counts as usable is constant, or has no power in the band.
    NonFinite, ShapeMismatch, MissingModality

    References
    ----------
    Lachaux et al. (1999), Measuring phase synchrony in brain signals, Hum Brain Mapp 8.
    """
    return _per_subject(partial(_phase_locking, band=_check_band(band)), series, t_r, usable, device, dtype)


def _check_band(band) -> tuple[float, float]:
    low, high = map(float, band)
    if not 0 <= low < high < np.inf:
        raise InvalidOption(f"band must be (low, high) with 0 <= low < high [Hz]; got ({low:g}, {high:g}).")
    return low, high


def _per_subject(measure: Callable, series, t_r, usable, device, dtype) -> Tensor:
    """Apply ``measure(batch, t_r)`` to subjects of one length and one repetition time."""
    times = _repetition_times(t_r, len(subject_arrays(series)))

    def at_each_time(batch: Batch) -> Tensor:
        result = batch.x.new_empty(len(batch.x), batch.x.shape[2], batch.x.shape[2])
        for seconds in np.unique(times[batch.rows]):
            own = np.flatnonzero(times[batch.rows] == seconds)
            part = Batch([batch.rows[i] for i in own], *(field[own] for field in batch[1:]))
            result[own] = measure(part, float(seconds))
        return result

    return per_subject(at_each_time, series, usable=usable, device=device, dtype=dtype)


def _repetition_times(t_r, n_subjects: int) -> np.ndarray:
    times = np.asarray(t_r, dtype=float)
    times = np.full(n_subjects, times) if times.ndim == 0 else check_shape("t_r", times, (n_subjects,))
    if not ((times > 0) & (times < np.inf)).all():
        raise InvalidOption("t_r must be positive [s]; one is not. Give every subject's repetition time.")
    return times


def _bins(n_frames: int, t_r: float, band: tuple[float, float], row: int, remedy: str) -> Tensor:
    """The k whose frequency ``k / (n_frames t_r)`` lies in the band."""
    low, high = band
    nyquist, spacing = 0.5 / t_r, 1 / (n_frames * t_r)
    if high > nyquist + SLACK * spacing:
        raise InvalidOption(
            f"band reaches {high:g} Hz; series[{row}] with t_r = {t_r:g} s holds frequencies up to {nyquist:g} Hz. "
            "Lower the band's end for all subjects."
        )
    first, last = ceil(low / spacing - SLACK), floor(high / spacing + SLACK)
    if first > last:
        raise InvalidOption(
            f"band ({low:g}, {high:g}) Hz holds no frequency bin of series[{row}]: its bins lie {spacing:.3g} Hz "
            f"apart. {remedy}"
        )
    return torch.arange(first, last + 1)


def _coherence(batch: Batch, t_r: float, band, segment: float, overlap: float) -> Tensor:
    length = round(segment / t_r)
    step = length - floor(overlap * length)
    row, n_frames = batch.rows[0], batch.x.shape[1]
    if length < 2:
        raise InvalidOption(f"segment must hold 2 frames or more; {segment:g} s with t_r = {t_r:g} s do not.")
    if n_frames < length + step:
        raise ShortSeries(
            f"series[{row}] has {n_frames} frames; two segments of {segment:g} s need {length + step}. Shorten the "
            "segment, or leave the subject out."
        )
    bins = _bins(length, t_r, band, row, "Lengthen the segment, or widen the band.")
    transform, gain = _windowed_fourier(length, bins, batch.x)
    segments = standardise(batch.x).unfold(1, length, step)  # (b, S, R, L)
    rounding = gain * segments.shape[1] * (length * torch.finfo(batch.x.dtype).eps) ** 2
    return _mean_coherence((segments @ transform).unbind(3), rounding, batch)


def _windowed_fourier(length: int, bins: Tensor, like: Tensor) -> tuple[Tensor, float]:
    """Centring, Hann window and Fourier transform of a segment as one matrix (L, 2 F), and the window's power."""
    frames = torch.arange(length, dtype=torch.float64)
    window = 0.5 - 0.5 * torch.cos(2 * torch.pi * frames / length)
    angle = 2 * torch.pi * frames[:, None] * bins / length
    matrix = window[:, None] * torch.cat([angle.cos(), -angle.sin()], 1)
    return (matrix - matrix.mean(0)).to(like), float(window.square().sum())


def _mean_coherence(spectrum: tuple[Tensor, ...], rounding: float, batch: Batch) -> Tensor:
    """Coherence of 2 F spectra (b, S, R), real parts first, averaged over F; bins are taken one at a time."""
    n_bins = len(spectrum) // 2
    powered = torch.zeros_like(batch.usable)
    total = 0
    for real, imaginary in zip(spectrum[:n_bins], spectrum[n_bins:], strict=True):
        power = (real.square() + imaginary.square()).sum(1, keepdim=True)  # (b, 1, R)
        enough = power > rounding
        scale = torch.where(enough, power, 1).rsqrt() * enough
        total = total + _squared_products(real * scale, imaginary * scale)
        powered |= enough[:, 0]
    _check_power(powered, batch)
    return (total / n_bins).clamp(0, 1)


def _phase_locking(batch: Batch, t_r: float, band) -> Tensor:
    n_frames = batch.x.shape[1]
    bins = _bins(n_frames, t_r, band, batch.rows[0], "Widen the band, or leave the subject out.")
    if len(bins) < 2:
        raise ShortSeries(
            f"band ({band[0]:g}, {band[1]:g}) Hz holds one frequency bin of series[{batch.rows[0]}], of {n_frames} "
            "frames: every phase difference would be constant. Widen the band, or leave the subject out."
        )
    x = standardise(batch.x).mT.contiguous()  # (b, R, T): frames side by side transform quicker
    analytic = _band_analytic(x, bins.to(x.device))
    power = analytic.abs().square_().mean(2)  # of a variance of 1
    _check_power(power > (n_frames * torch.finfo(x.dtype).eps) ** 2, batch)
    phase = analytic.sgn().mT
    return _squared_products(phase.real, phase.imag).sqrt_().div_(n_frames).clamp_(0, 1)


def _band_analytic(x: Tensor, bins: Tensor) -> Tensor:
    """Analytic signal of the band, complex, of series (b, R, T)."""
    n_frames = x.shape[2]
    spectrum = torch.fft.rfft(x, dim=2)
    kept = spectrum.new_zeros(x.shape)
    kept[..., bins] = 2 * spectrum[..., bins]
    kept[..., 0] /= 2  # the mean and the Nyquist bin have no negative twin
    if n_frames % 2 == 0:
        kept[..., n_frames // 2] /= 2
    return torch.fft.ifft(kept, dim=2)


def _squared_products(real: Tensor, imaginary: Tensor) -> Tensor:
    """``|sum_t z_i conj(z_j)|^2`` of ``z = real + i imaginary``, (b, T, R) each: two real products."""
    both = torch.cat([real, imaginary], 1)
    cross = real.mT @ imaginary
    return (both.mT @ both).square_().add_((cross - cross.mT).square_())


def _check_power(powered: Tensor, batch: Batch) -> None:
    silent = ~powered & batch.usable
    if silent.any():
        row, region = silent.nonzero()[0].tolist()
        raise UnusableRegion(
            f"series[{batch.rows[row]}], region {region} has no power in the band. Mark it in `usable` as False."
        )
