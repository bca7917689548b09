"""Connectomes of 200 subjects, 200 regions, 176 frames, against nilearn's ``ConnectivityMeasure.fit_transform``.

nilearn at its quickest: float32 series, ``store_precision=False``, a line each on one and on two BLAS threads. It
z-scores for the correlation, as we do, and with Ledoit-Wolf keeps float32 throughout. We keep float64 for what is
inverted unless a line says float32. Errors are against nilearn's own float64, so that its rounding is not counted as
ours. For the tangent both fit the reference (tolerance 1e-7, at most 30 steps, the same number of them) and transform.
Matrices come back, not vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from nilearn.connectome import ConnectivityMeasure
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from threadpoolctl import ThreadpoolController

from benchmarks.paired import OURS, Floor, Row, compare, largest_error
from graphfuse.connectome import correlation, covariance, geometric_mean, partial_correlation, tangent_map

SUBJECTS, REGIONS, FRAMES = 200, 200, 176
ESTIMATORS = {"empirical": EmpiricalCovariance, "ledoit-wolf": LedoitWolf}
GEMM = "binds: arithmetic, half of each X^T X (syrk); then passes over matrices in the cache"
INVERSE = "ours float64, nilearn float32; binds: arithmetic, the inverse from Cholesky's factor (LAPACK potri)"
EIGH = "as nilearn in float32; binds: arithmetic, eigh (LAPACK syevd); our float64, the default, has a line"


def rows() -> Iterator[Row]:
    """Correlation (empirical, Ledoit-Wolf), partial correlation, tangent."""
    series = _series()
    for name, ours, kind, estimator, floor, limit in (
        ("correlation, empirical", correlation, "correlation", "empirical", 1.5, GEMM),
        ("correlation, Ledoit-Wolf", _shrunk, "correlation", "ledoit-wolf", 3.5, GEMM),
        ("partial correlation", partial_correlation, "partial correlation", "ledoit-wolf", 3, INVERSE),
        ("tangent, float32", _tangent_single, "tangent", "ledoit-wolf", 4, EIGH),
    ):
        peers = {f"nilearn, {n} BLAS thread{'s'[: n - 1]}": _nilearn(kind, estimator, series, n) for n in (1, 2)}
        double = _nilearn(kind, estimator, [x.astype(np.float64) for x in series], 1)()
        theirs = largest_error(peers["nilearn, 1 BLAS thread"](), double)
        contestants = {OURS: partial(ours, series), **peers}
        if kind == "tangent":
            contestants["graphfuse, float64"] = partial(_tangent, series)
        yield compare(
            f"{name}, {SUBJECTS} x {REGIONS} x {FRAMES}",
            contestants,
            error=largest_error(ours(series), double),
            floors=[Floor(peer, floor) for peer in peers],
            notes=f"{limit}; nilearn's own error {theirs:.1e}",
        )


def _shrunk(series: list[np.ndarray]) -> torch.Tensor:
    return correlation(series, "ledoit-wolf")


def _tangent_single(series: list[np.ndarray]) -> torch.Tensor:
    return _tangent(series, torch.float32)


def _tangent(series: list[np.ndarray], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    covariances = covariance(series, "ledoit-wolf", dtype=dtype)
    return tangent_map(covariances, geometric_mean(covariances, dtype=dtype), dtype=dtype)


def _nilearn(kind: str, estimator: str, series: list[np.ndarray], threads: int) -> Callable:
    controller = ThreadpoolController()

    def run() -> np.ndarray:
        with controller.limit(limits=threads, user_api="blas"):
            measure = ConnectivityMeasure(ESTIMATORS[estimator](store_precision=False), kind=kind, standardize=True)
            return measure.fit_transform(series)

    return run


def _series() -> list[np.ndarray]:
    """Mixed noise with a spectrum as of BOLD: a few strong components, people who differ."""
    rng = np.random.default_rng(0)
    mixing = np.eye(REGIONS) + rng.normal(size=(REGIONS, REGIONS)) / 14
    own = (mixing + 0.02 * rng.normal(size=mixing.shape) for _ in range(SUBJECTS))
    return [(rng.normal(size=(FRAMES, REGIONS)) @ one).astype(np.float32) for one in own]
