"""Covariances of the windows of one series: by running sums where windows overlap much, else by batched products."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse.kernels.jit import jit, jit_in_order, over_rows

TILE = 16  # rows of a matrix whose running sums stay in a core's first cache
LANES = 8  # numbers of the widest vector
TILES_A_THREAD = 4
CHUNK_NUMBERS = 2**19  # of windows that are multiplied at once: they stay in the cache
OVERLAP = 4  # running sums win where a window is at least this many steps long
WORST_ERROR = 1e-9  # of a correlation by running sums, by the bound of `running_error`


def window_covariance(z: Tensor, weights: Tensor, step: int, unit: Tensor | None, out: Tensor) -> None:
    """Write ``c_ij = a_i a_j sum_t w_t (z_ti - m_i) (z_tj - m_j)`` of every window, with m its weighted mean.

    A region that is constant in a window has 0 in its row and column. For correlations, ``a = 1 / sqrt(v)``, v the
    weighted variance in the window, and the diagonal is 1. Equal weights, a CPU, windows of `OVERLAP` steps or more
    and a bound of the rounding error below `WORST_ERROR` together lead to running sums; all else to products.

    Parameters
    ----------
    z : Tensor (T, R) float64
        A series of moderate numbers.
    weights : Tensor (L,) float64
        They sum to 1.
    step : int
        From one window to the next [frames].
    unit : Tensor (R,) float64 or None
        The factors a; None for correlations.
    out : Tensor (W, R, R)
        Where the result is written; float32 or float64.
    """
    on_cpu = z.device.type == "cpu"
    mean, variance, constant = (window_moments if on_cpu else moments_reference)(z, weights, step, len(out))
    scale = torch.where(constant, 0, variance).rsqrt() if unit is None else unit.expand_as(mean)
    scale = torch.where(constant, 0, scale)
    bound = 1.0 if unit is None else torch.inf
    level = bool((weights == weights[0]).all())
    overlap = on_cpu and level and len(weights) >= OVERLAP * step
    if overlap and running_error(z, variance, constant) <= WORST_ERROR:
        centre = z.mean(0)
        running_covariance(z - centre, len(weights), step, scale, mean - centre, bound, out)
    else:
        product_covariance(z, weights, step, scale, mean, bound, out)
    if unit is None:
        out.diagonal(dim1=1, dim2=2).fill_(1)


def running_covariance(z: Tensor, length: int, step: int, scale: Tensor, mean: Tensor, bound: float, out: Tensor):
    """Write ``a_i a_j (S_ij / L - m_i m_j)``, S the running sum of ``z_i z_j`` in float64, whatever `out` is.

    From a window to the next, `step` frames are added and as many taken off: ``2 step R^2`` multiplications instead of
    ``L R^2``. A row is written by one thread, from the first window to the last: the same bits for every number of
    threads. z is centred. What binds is the writing of the result.

    Columns are padded to whole vectors: entries (i, j) and (j, i) then go through the same instructions and are equal
    to the bit, while a compiler may round otherwise in the single numbers that a vector loop leaves over.
    """
    fill = -z.shape[1] % LANES
    z, scale, mean = (torch.nn.functional.pad(part, (0, fill)) for part in (z, scale, mean))
    tiles = -(-out.shape[1] // TILE)
    over_rows(_run, tiles, z, scale / length**0.5, scale * mean, out, length, step, bound, least=TILES_A_THREAD)


def product_covariance(z: Tensor, weights: Tensor, step: int, scale: Tensor, mean: Tensor, bound: float, out: Tensor):
    """Write ``Y^T Y`` of every window, with ``y_t = a sqrt(w_t) (z_t - m)`` in the precision of `out`, symmetrised."""
    root = (weights / 2).sqrt()  # half, for a matrix and its transpose are added
    standardise = _standardised if z.device.type == "cpu" else standardised_reference
    size = max(1, CHUNK_NUMBERS // (z.shape[1] * (z.shape[1] + len(weights))))
    for rows in torch.arange(len(out)).split(size):
        first, last = int(rows[0]), int(rows[-1]) + 1
        y = standardise(z[first * step :], root, step, scale[first:last], mean[first:last], out.dtype)  # (W, L, R)
        product = y.mT @ y
        torch.add(product, product.mT, out=out[first:last])
        if bound < torch.inf:
            out[first:last].clamp_(-bound, bound)


def running_error(z: Tensor, variance: Tensor, constant: Tensor) -> float:
    """Bound of the rounding error in correlations by running sums of the centred series.

    A sum over L frames never exceeds ``L p_i p_j``, p the largest ``|z - mean|`` of a region, and each of at most
    ``2 T`` additions rounds by eps of that at most; over the spread ``L sqrt(v_i v_j)`` in the window this is at most
    ``2 T eps max(p^2 / v)``. To centre adds ``4 eps max(|z| / sqrt(v))``. A region that was loud and has become quiet
    makes the bound large.

    Parameters
    ----------
    z : Tensor (T, R) float64
    variance, constant : Tensor (W, R)
        Of `window_moments`; where a region is constant, its 0 is exact.
    """
    variance = variance.clamp(min=torch.finfo(variance.dtype).tiny)
    summed = 2 * len(z) * (z - z.mean(0)).abs().amax(0).square() / variance
    centred = 4 * z.abs().amax(0) / variance.sqrt()
    return float(torch.finfo(z.dtype).eps * torch.where(constant, 0, summed + centred).max())


def window_moments(z: Tensor, weights: Tensor, step: int, n_windows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted mean, weighted variance (each window by itself, in two passes) and constancy, (W, R)."""
    mean, variance = z.new_empty(2, n_windows, z.shape[1])
    constant = torch.empty(n_windows, z.shape[1], dtype=torch.bool)
    over_rows(_moments, n_windows, z.contiguous(), weights, step, mean, variance, constant)
    return mean, variance, constant


def moments_reference(z: Tensor, weights: Tensor, step: int, n_windows: int) -> tuple[Tensor, Tensor, Tensor]:
    """`window_moments` in plain torch, on any device."""
    windows = z.unfold(0, len(weights), step)[:n_windows]  # (W, R, L)
    mean = windows @ weights
    variance = (windows - mean[..., None]).square() @ weights
    return mean, variance, (windows == windows[..., :1]).all(2)


def standardised_reference(z: Tensor, root: Tensor, step: int, scale: Tensor, mean: Tensor, dtype) -> Tensor:
    """Windows ``y_t = a r_t (z_t - m)``, (W, L, R), of z (T, R), in plain torch, on any device."""
    windows = z.unfold(0, len(root), step)[: len(scale)].mT  # (W, L, R)
    return ((windows - mean[:, None]) * scale[:, None] * root[:, None]).to(dtype)


def _standardised(z: Tensor, root: Tensor, step: int, scale: Tensor, mean: Tensor, dtype) -> Tensor:
    """`standardised_reference` in one pass."""
    y = torch.empty(len(scale), len(root), z.shape[1], dtype=dtype)
    over_rows(_standardise, len(y), z, root, step, scale, mean, y)
    return y


@jit
def _moments(begin, end, z, weights, step, mean, variance, constant):
    """Windows ``begin .. end``; inner loops run over regions, which lie side by side."""
    for w in range(begin, end):
        start = w * step
        first, m, v, still = z[start], mean[w], variance[w], constant[w]
        m[:], v[:], still[:] = 0.0, 0.0, True
        for t in range(len(weights)):
            frame, weight = z[start + t], weights[t]
            for r in range(len(m)):
                m[r] += weight * frame[r]
                still[r] &= frame[r] == first[r]
        for t in range(len(weights)):
            frame, weight = z[start + t], weights[t]
            for r in range(len(m)):
                v[r] += weight * (frame[r] - m[r]) ** 2


@jit
def _standardise(begin, end, z, root, step, scale, mean, y):
    """Windows ``begin .. end``."""
    for w in range(begin, end):
        a, m = scale[w], mean[w]
        for t in range(len(root)):
            frame, weight, row = z[w * step + t], root[t], y[w, t]
            for r in range(len(a)):
                row[r] = a[r] * weight * (frame[r] - m[r])


# No slices below: each would count a reference, which takes longer than a row.
@jit
def _run(begin, end, z, scale, shift, out, length, step, bound):
    """Tiles ``begin .. end`` of `TILE` rows of the matrices of all windows."""
    first, last = begin * TILE, min(end * TILE, out.shape[1])
    sums, value = np.empty((last - first, z.shape[1])), np.empty(z.shape[1])
    _begin(sums, z, first, last, length)
    for w in range(len(out)):
        if w > 0:
            _advance(sums, z, first, last, (w - 1) * step, length, step)
        _write(out, sums, value, scale, shift, w, first, last, bound)


@jit
def _begin(sums, z, first, last, length):
    """Sums of the first window; four frames in one pass."""
    sums[:] = 0.0
    fours = length - length % 4
    for i in range(first, last):
        for t in range(0, fours, 4):
            a, b, c, d = z[t, i], z[t + 1, i], z[t + 2, i], z[t + 3, i]
            for j in range(z.shape[1]):
                sums[i - first, j] += (a * z[t, j] + b * z[t + 1, j]) + (c * z[t + 2, j] + d * z[t + 3, j])
        for t in range(fours, length):
            a = z[t, i]
            for j in range(z.shape[1]):
                sums[i - first, j] += a * z[t, j]


@jit
def _advance(sums, z, first, last, start, length, step):
    """From the window at frame `start` to the next: frame t goes and t + length comes, two of each in one pass."""
    pairs = start + step - step % 2
    for i in range(first, last):
        for t in range(start, pairs, 2):
            s = t + length
            a, b, c, d = z[s, i], z[s + 1, i], -z[t, i], -z[t + 1, i]
            for j in range(z.shape[1]):
                sums[i - first, j] += (a * z[s, j] + b * z[s + 1, j]) + (c * z[t, j] + d * z[t + 1, j])
        for t in range(pairs, start + step):
            a, b = z[t + length, i], -z[t, i]
            for j in range(z.shape[1]):
                sums[i - first, j] += a * z[t + length, j] + b * z[t, j]


@jit_in_order  # what makes (i, j) equal (j, i)
def _write(out, sums, value, scale, shift, w, first, last, bound):
    """Sums to covariances, within the bound."""
    for i in range(first, last):
        a, m = scale[w, i], shift[w, i]
        for j in range(len(value)):
            value[j] = sums[i - first, j] * (a * scale[w, j]) - m * shift[w, j]
        for j in range(out.shape[2]):
            out[w, i, j] = min(max(value[j], -bound), bound)
