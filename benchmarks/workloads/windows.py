"""Sliding windows: 20 subjects, 200 regions, 176 frames, windows of 40 frames every 2, which makes 69 of each subject.

The peer is the loop that everybody writes: ``np.corrcoef`` of each window, whose product is a symmetric one (syrk). It
has its series transposed or not, whichever is quicker (not), takes float32 where the row does, writes into a result
that is allocated once a run, as ours is, and is shown with one BLAS thread and with two. Where only one of the two
contestants of a row takes float32, the row says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.paired import OURS, Floor, Row, compare
from graphfuse.connectome.windows import iterate_connectivity, sliding_connectivity, sliding_windows, taper_weights

SUBJECTS, FRAMES, REGIONS, LENGTH, STEP = 20, 176, 200, 40, 2
BOUND = "bound by writing the result (first touch of fresh memory included)"


def rows() -> Iterator[Row]:
    """Plain windows in float32 and float64, streamed, and tapered."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SUBJECTS, FRAMES, REGIONS)) @ rng.standard_normal((REGIONS, REGIONS))
    single = x.astype(np.float32)
    shape = f"{SUBJECTS} x {len(sliding_windows(FRAMES, LENGTH, STEP))} windows of {LENGTH}, {REGIONS} regions"
    loops = {
        **{f"np.corrcoef loop fp64, {n} threads": _pinned(_loop(x), n) for n in (1, 2)},
        **{f"np.corrcoef loop fp32, {n} threads": _pinned(_loop(single), n) for n in (1, 2)},
    }
    quickest = [Floor(f"np.corrcoef loop fp64, {n} threads", 4) for n in (1, 2)]
    quickest += [Floor(f"np.corrcoef loop fp32, {n} threads", 2) for n in (1, 2)]
    ours = lambda: sliding_connectivity(single, LENGTH, STEP)  # noqa: E731
    yield compare(f"{shape}, ours in fp32", {OURS: ours, **loops}, floors=quickest, notes=BOUND)
    double = {name: run for name, run in loops.items() if "fp64" in name}
    ours = lambda: sliding_connectivity(x, LENGTH, STEP, dtype=torch.float64)  # noqa: E731
    yield compare(f"{shape}, ours in fp64", {OURS: ours, **double}, notes=BOUND)
    streams = {OURS: lambda: _stream(single), "np.corrcoef loop fp32, nothing kept": _pinned(_loop(single, False), 1)}
    yield compare(f"{shape}, each window seen and dropped, fp32", streams, error=False, notes="bound by arithmetic")
    weights = taper_weights("hamming", LENGTH).numpy()
    tapered = {
        OURS: lambda: sliding_connectivity(x, LENGTH, STEP, taper="hamming", dtype=torch.float64),
        "np.cov(aweights) loop fp64": _pinned(_weighted_loop(x, weights), 1),
    }
    yield compare(f"{shape}, Hamming taper, fp64", tapered, repeats=5, notes="bound by the matrix products")


def _loop(x: np.ndarray, keep: bool = True):
    starts = sliding_windows(FRAMES, LENGTH, STEP)

    def run():
        result = np.empty((SUBJECTS if keep else 1, len(starts), REGIONS, REGIONS), x.dtype)
        for b, series in enumerate(x):
            for w, s in enumerate(starts):
                result[b if keep else 0, w] = np.corrcoef(series[s : s + LENGTH].T, dtype=x.dtype)
        return result

    return run


def _weighted_loop(x: np.ndarray, weights: np.ndarray):
    starts = sliding_windows(FRAMES, LENGTH, STEP)

    def run():
        result = np.empty((SUBJECTS, len(starts), REGIONS, REGIONS), x.dtype)
        for b, series in enumerate(x):
            for w, s in enumerate(starts):
                covariance = np.cov(series[s : s + LENGTH].T, aweights=weights, ddof=0)
                scale = 1 / np.sqrt(np.diag(covariance))
                np.multiply(covariance, scale[:, None] * scale, out=result[b, w])
        return result

    return run


def _pinned(run, threads: int):
    """`run` with that many threads for numpy's BLAS."""

    def pinned():
        with threadpool_limits(threads, user_api="blas"):
            return run()

    return pinned


def _stream(x: np.ndarray) -> None:
    for _, matrices in iterate_connectivity(x, LENGTH, STEP):
        del matrices
