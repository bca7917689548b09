"""Dynamic subject graphs: a graph for each window of a time series. Signal -> Graphs that own runs of windows."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
import torch
from sklearn.base import BaseEstimator

from graphfuse._check import check_option, check_range
from graphfuse.connectome.functional import fisher_z
from graphfuse.connectome.windows import packed_connectivity
from graphfuse.errors import AtlasMismatch, InvalidOption, MissingModality, NotFitted, ShortSeries
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.sparsify import TopDensity
from graphfuse.graph.subject import MAX_Z, feature_moments
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.signal import Signal

NODES = ("profile", "strength", "series")


class DynamicGraph(BaseEstimator):
    """Sliding-window connectomes of a time series, each a graph.

    Give either `windows`, the same number of each subject, or `window` and `step` in seconds, so that sites of
    different repetition times are cut alike and a longer scan has more windows.

    Parameters
    ----------
    windows : int or None
        Windows W of each subject; ``L = ceil(T / (1 + (W - 1) (1 - overlap)))`` frames each.
    overlap : float
        Of two windows of `windows`, in [0, 0.95].
    window, step : float or None
        Length of a window and way from one to the next [s].
    nodes : {"profile", "strength", "series"}
        Node features: the region's row of the window's connectome (Fisher z) or its mean absolute weight, standardised
        with the training subjects' mean and deviation; or the window's own series, standardised over its frames and
        drawn at `frames` equidistant points.
    frames : int
        Points of ``nodes="series"``.
    taper : str or None
        See `taper_weights`.
    sparsify : TopDensity or callable or None
        Of each window's connectome; None = ``TopDensity(0.1)``.
    """

    READS = ("timeseries",)
    uses_y, scope = False, "training"

    def __init__(
        self,
        windows=None,
        overlap=0.5,
        window=None,
        step=None,
        nodes="profile",
        frames=32,
        taper=None,
        sparsify: Callable | None = None,
    ):
        self.windows = windows
        self.overlap = overlap
        self.window = window
        self.step = step
        self.nodes = nodes
        self.frames = frames
        self.taper = taper
        self.sparsify = sparsify

    def fit(self, signal: Signal) -> DynamicGraph:
        """Learn the scale of the node features from the windows of these subjects only."""
        self._check_options(signal)
        if not signal.present.any():
            raise MissingModality("DynamicGraph needs a subject who was measured; got none. Leave this view out.")
        matrices, _, usable, series = self._windows(signal)
        x = self._features(matrices, series)
        self.mean_, self.scale_ = torch.zeros(x.shape[1:]), torch.ones(x.shape[1:])
        if self.nodes != "series":  # which is standardised over its own frames
            self.mean_, self.scale_ = feature_moments(self.nodes, x, usable)
        return self

    def transform(self, signal: Signal) -> Graphs:
        """Graphs of these subjects' windows; somebody who was not measured owns one window of zeros."""
        self._check_new(signal)
        present = torch.as_tensor(signal.present)
        counts = np.ones(len(signal), dtype=int)
        if not signal.present.any():
            return self._spread(torch.zeros(0, *self.mean_.shape), None, None, counts, present)
        matrices, own, usable, series = self._windows(signal)
        counts[signal.present] = own
        x = (self._features(matrices, series) - self.mean_) / self.scale_
        mask = usable[:, :, None] & (usable[:, None, :] if self.nodes == "profile" else True)
        x = torch.where(mask, x, 0.0).clamp(-MAX_Z, MAX_Z)
        return self._spread(x, (self.sparsify or TopDensity())(matrices, usable), usable, counts, present)

    def _windows(self, signal: Signal) -> tuple[torch.Tensor, np.ndarray, torch.Tensor, torch.Tensor]:
        """Connectomes (G, R, R) of the measured subjects' windows, how many (B,), usable (G, R), series (G, R, L)."""
        arrays, usable = signal.arrays(), torch.as_tensor(signal.usable[signal.present])
        length, step = self._lengths(arrays, signal)
        if self.windows is not None:  # so that there are exactly so many
            arrays = [a[: n + s * (self.windows - 1)] for a, n, s in zip(arrays, length, step, strict=True)]
        matrices, offsets = packed_connectivity(arrays, length, step, taper=self.taper, usable=usable)
        counts = np.diff(offsets)
        matrices = fisher_z(matrices) * (1 - torch.eye(matrices.shape[-1]))
        series = self._series(arrays, length, step, counts) if self.nodes == "series" else matrices[:0]
        return matrices, counts, usable.repeat_interleave(torch.as_tensor(counts), 0), series

    def _lengths(self, arrays: list[np.ndarray], signal: Signal) -> tuple[np.ndarray, np.ndarray]:
        """Length and step of the windows of each measured subject [frames]."""
        frames = np.array([len(a) for a in arrays])
        if self.windows is not None:
            length = np.array([ceil(n / (1 + (self.windows - 1) * (1 - self.overlap))) for n in frames])
            step = np.maximum((frames - length) // max(self.windows - 1, 1), 1)
            if (length + step * (self.windows - 1) > frames).any() or length.min() < 2:
                raise ShortSeries(f"{self.windows} windows need longer series; the shortest has {frames.min()} frames.")
            return length, step
        t_r = np.asarray(signal.t_r, float)[signal.present]
        return np.maximum(np.round(self.window / t_r), 2).astype(int), np.maximum(np.round(self.step / t_r), 1).astype(
            int
        )

    def _series(self, arrays, length, step, counts) -> torch.Tensor:
        """Standardised series of every window, (G, R, `frames`)."""
        cut = []
        for array, n, s, count in zip(arrays, length, step, counts, strict=True):
            place = np.linspace(0, n - 1, self.frames)
            low = np.minimum(place.astype(int), n - 2)
            part = (place - low).astype(np.float32)[:, None]
            for w in range(count):
                x = array[w * s : w * s + n]
                deviation = x.std(0)
                x = (x - x.mean(0)) / np.where(deviation > 1e-6, deviation, np.inf)
                cut.append((x[low] * (1 - part) + x[low + 1] * part).T)
        return torch.as_tensor(np.stack(cut), dtype=torch.float32)

    def _features(self, matrices: torch.Tensor, series: torch.Tensor) -> torch.Tensor:
        if self.nodes == "series":
            return series
        return matrices if self.nodes == "profile" else matrices.abs().mean(-1, keepdim=True)

    def _spread(self, x, weight, usable, counts: np.ndarray, present: torch.Tensor) -> Graphs:
        """Windows of the measured subjects among those of all N; a window of zeros for each of the others."""
        offsets = np.cumsum([0, *counts])
        g, r = int(offsets[-1]), len(self.mean_)
        rows = present.repeat_interleave(torch.as_tensor(counts))
        full_x, full_weight = torch.zeros(g, *self.mean_.shape), torch.zeros(g, r, r)
        nodes = torch.zeros(g, r, dtype=torch.bool)
        if weight is not None:
            full_x[rows], full_weight[rows], nodes[rows] = x, weight, usable
        return Graphs(full_x, Adjacency.from_dense(full_weight), nodes, present, offsets)

    def _check_options(self, signal: Signal) -> None:
        check_option("nodes", self.nodes, NODES)
        check_range("frames", self.frames, 2)
        check_range("overlap", self.overlap, 0, 0.95)
        if (self.windows is None) == (self.window is None or self.step is None):
            raise InvalidOption("DynamicGraph needs windows=, or window= and step= [s]. Give one of the two.")
        check_range("windows", self.windows or 1, 1)
        self._check_kind(signal)

    def _check_kind(self, signal: Signal) -> None:
        if signal.kind not in self.READS:
            raise InvalidOption(f"DynamicGraph needs a timeseries signal; got {signal.kind!r}.")
        known = signal.t_r is not None and np.isfinite(np.asarray(signal.t_r, float)[signal.present]).all()
        if self.windows is None and not known:
            raise InvalidOption("window and step [s] need the repetition time of every scan. Name t_r, or windows=.")

    def _check_new(self, signal: Signal) -> None:
        self._check_kind(signal)
        if not hasattr(self, "mean_"):
            raise NotFitted("DynamicGraph has not been fitted; call fit on the training subjects first.")
        if signal.present.any() and signal.n_regions != len(self.mean_):
            raise AtlasMismatch(
                f"DynamicGraph was fitted on {len(self.mean_)} regions; this signal has {signal.n_regions}. Extract "
                "both with the same atlas."
            )


def _frames(seconds: float, t_r: np.ndarray, least: int) -> np.ndarray:
    """So many seconds in frames of each subject."""
    return np.maximum(np.round(seconds / t_r), least).astype(int)
