"""Functional connectivity of time series: covariance, correlation, precision, partial correlation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_option
from graphfuse.connectome.information import (
    gaussian_information,
    mutual_information,
    normalised_mutual_information,
)
from graphfuse.connectome.pairwise import check_matrices, each_batch, empty_matrices
from graphfuse.connectome.rank import spearman
from graphfuse.connectome.series import Batch, subject_arrays
from graphfuse.connectome.shrinkage import OF_CENTRED
from graphfuse.connectome.unit_diagonal import unit_diagonal
from graphfuse.errors import GraphFuseWarning, InvalidOption, NonFinite, NotPositiveDefinite

Series = Sequence | Tensor | np.ndarray


def covariance(series: Series, estimator="empirical", *, usable=None, device="cpu", dtype=torch.float64) -> Tensor:
    """Covariance of every pair of regions: ``S = X^T X / T``, shrunk if asked.

    Equals nilearn's ``ConnectivityMeasure(kind="covariance")`` with ``EmpiricalCovariance`` or ``LedoitWolf``. An
    unusable region has 0 off the diagonal and the mean usable variance on it: the matrix stays positive definite.

    Parameters
    ----------
    series : sequence of (T_i, R), or (B, T, R), or (T, R)
        Time series, frames by regions; lengths may differ.
    estimator : str
        ``"empirical"`` or ``"ledoit-wolf"``, a key of `ESTIMATORS`.
    usable : array (B, R) bool or None
        Regions to use; the others influence nothing. None: all.
    device, dtype
        Where and in which precision; float64 by default, for a covariance is there to be inverted.

    Returns
    -------
    Tensor (B, R, R)

    Raises
    ------
    UnusableRegion
        A region that counts as usable is constant.
    NonFinite
        A NaN or an infinity in a usable region, or values too large for `dtype`.
    ShortSeries, ShapeMismatch, InvalidOption, MissingModality
    """
    return _per_subject(_covariance, series, estimator, usable, device, dtype, at_least=dtype)


def correlation(series: Series, estimator="empirical", *, usable=None, device="cpu", dtype=torch.float32) -> Tensor:
    """Pearson correlation of every pair of regions: ``r_ij = s_ij / sqrt(s_ii s_jj)`` of the z-scored series.

    Equals nilearn's ``ConnectivityMeasure(kind="correlation", standardize=True)`` with ``EmpiricalCovariance``, or with
    ``LedoitWolf`` (shrinkage of the z-scored series). The diagonal is exactly 1; an unusable region has 0 elsewhere.

    Arguments, result and errors are those of `covariance`; float32 by default.
    """
    return _per_subject(_correlation, series, estimator, usable, device, dtype, at_least=dtype)


def precision(series: Series, estimator="ledoit-wolf", *, usable=None, device="cpu", dtype=torch.float64) -> Tensor:
    """Inverse covariance of the usable regions: ``P = S^-1``, computed in float64.

    Equals nilearn's ``ConnectivityMeasure(kind="precision")``. An unusable region has 0 off the diagonal and the
    inverse of the mean usable variance on it.

    Arguments and result are those of `covariance`.

    Raises
    ------
    NotPositiveDefinite
        The covariance has no inverse: fewer frames than regions, or regions that are combinations of others.
    UnusableRegion, NonFinite, ShortSeries, ShapeMismatch, InvalidOption, MissingModality
    """
    return _per_subject(_precision, series, estimator, usable, device, dtype, at_least=torch.float64)


def partial_correlation(
    series: Series, estimator="ledoit-wolf", *, usable=None, device="cpu", dtype=torch.float64
) -> Tensor:
    """Correlation of two regions given all others: ``r_ij = -p_ij / sqrt(p_ii p_jj)``, ``P = S^-1``, in float64.

    Equals nilearn's ``ConnectivityMeasure(kind="partial correlation")``. The diagonal is exactly 1; an unusable region
    has 0 elsewhere and is not among "all others".

    Arguments, result and errors are those of `precision`.
    """
    return _per_subject(_partial_correlation, series, estimator, usable, device, dtype, at_least=torch.float64)


LARGEST_R = 1 - 1e-7  # Fisher's z of 1 is infinite
ESTIMATED = {
    "correlation": correlation,
    "covariance": covariance,
    "partial": partial_correlation,
    "precision": precision,
}
KINDS = {
    **ESTIMATED,
    "gaussian-information": gaussian_information,
    "mutual-information": mutual_information,
    "normalised-mutual-information": normalised_mutual_information,
    "spearman": spearman,
}


def functional_connectivity(
    series: Series, kind="correlation", estimator: str | None = None, *, usable=None, device="cpu", dtype=None
) -> Tensor:
    """Connectivity of the given kind, (B, R, R): ``KINDS[kind](series, ...)``.

    Parameters
    ----------
    series, usable, device
        As for `covariance`.
    kind : str
        A key of `KINDS`.
    estimator, dtype
        None: what the kind takes by default. Only the kinds of `ESTIMATED` rest on a covariance estimator.

    Errors are those of `precision`; `InvalidOption` also for an estimator that the kind has no use for.
    """
    if estimator is not None and check_option("kind", kind, KINDS) not in ESTIMATED:
        raise InvalidOption(f"kind={kind!r} takes no estimator; got {estimator!r}. Leave it out.")
    given = {"estimator": estimator, "dtype": dtype}
    given = {name: value for name, value in given.items() if value is not None}
    return KINDS[check_option("kind", kind, KINDS)](series, usable=usable, device=device, **given)


def scale_free_covariance(series: Series, estimator: str = "ledoit-wolf", *, usable=None, device="cpu") -> Tensor:
    """Covariance of the z-scored series, in float64 and with a unit diagonal: what a tangent space is built on.

    The units of a BOLD series are the scanner's own; without z-scoring, tangent vectors would hold the site's gain.

    Parameters
    ----------
    series, estimator, usable, device
        As for `covariance`.

    Returns
    -------
    tensor (B, R, R), float64, positive definite if the estimator shrinks.
    """
    return correlation(series, estimator, usable=usable, device=device, dtype=torch.float64)


def fisher_z(r: Tensor | np.ndarray) -> Tensor:
    """Fisher's z of correlations: ``z = atanh(r)``, ``|r|`` clipped at ``1 - 1e-7``: ``|z| < 8.5``, the diagonal too.

    Parameters
    ----------
    r : array (...)
        Correlations; float32 or float64, kept.

    Raises
    ------
    NonFinite
        A NaN or an infinity among the correlations.
    InvalidOption
        A value beyond 1 by more than rounding: these are not correlations.
    """
    r = torch.as_tensor(r)
    if not r.isfinite().all():
        raise NonFinite("r must be finite; mask unusable regions before the correlation.")
    if (r.abs() > 1 + 1e-5).any():
        raise InvalidOption(
            f"r must lie in [-1, 1]; got {float(r.abs().max()):.3g}. Pass correlations, not covariances."
        )
    return torch.atanh(r.clamp(-LARGEST_R, LARGEST_R))


def count_clipped(r: Tensor) -> int:
    """How many pairs of different regions `fisher_z` would clip, of correlations (B, R, R): they hold one signal."""
    return int((r.triu(1).abs() > LARGEST_R).sum())


def warn_of_clipped(r: Tensor) -> None:
    """Warn (`GraphFuseWarning`) of the pairs that `count_clipped` finds, and count them."""
    clipped = count_clipped(r)
    if clipped:
        warnings.warn(
            f"{clipped} correlations of different regions are 1 or -1 and were clipped: these regions hold the same "
            "signal. Look for duplicated columns.",
            GraphFuseWarning,
            stacklevel=4,
        )


def _per_subject(matrix: Callable, series, estimator, usable, device, dtype, at_least) -> Tensor:
    """Let `matrix`(batch, estimate, out (b, R, R)) write batches of equal length, worked on in `at_least` that type."""
    estimate = OF_CENTRED[check_option("estimator", estimator, OF_CENTRED)]
    arrays = subject_arrays(series)  # once: a sequence may read files
    result = empty_matrices(arrays, device=device, dtype=dtype)

    def work(batch: Batch) -> None:
        rows = batch.rows
        run = rows[-1] - rows[0] == len(rows) - 1  # rows ascend: one after another, they are a view
        out = result[rows[0] : rows[-1] + 1] if run else torch.empty_like(result[: len(rows)])
        matrix(batch, lambda x: estimate(x.to(at_least), batch.usable)[0], out)
        check_matrices(out, rows)
        if not run:
            result[rows] = out

    each_batch(work, arrays, usable, device=device, dtype=at_least)
    return result


def _covariance(batch: Batch, estimate: Callable, out: Tensor) -> None:
    out.copy_(_covariances(batch, estimate))


def _correlation(batch: Batch, estimate: Callable, out: Tensor) -> None:
    unit_diagonal(estimate(_standardise(batch)), out)


def _precision(batch: Batch, estimate: Callable, out: Tensor) -> None:
    out.copy_(_precisions(batch, estimate))


def _partial_correlation(batch: Batch, estimate: Callable, out: Tensor) -> None:
    unit_diagonal(_precisions(batch, estimate), out, sign=-1.0)


def _covariances(batch: Batch, estimate: Callable) -> Tensor:
    result = estimate(batch.x.sub_(batch.x.mean(1, keepdim=True)))
    if not batch.usable.all():
        variance = result.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) / batch.usable.sum(1, keepdim=True)
        result.diagonal(dim1=1, dim2=2).add_(variance * ~batch.usable)
    return result


def _precisions(batch: Batch, estimate: Callable) -> Tensor:
    matrices = _covariances(batch, estimate)
    check_matrices(matrices, batch.rows)
    factor, info = torch.linalg.cholesky_ex(matrices)
    # L_ii^2 / S_ii is the share of region i's variance that the regions before it do not explain.
    share = (factor.diagonal(dim1=1, dim2=2).square() / matrices.diagonal(dim1=1, dim2=2)).amin(1)
    singular = (info > 0) | ~(share > matrices.shape[-1] * torch.finfo(matrices.dtype).eps)
    if singular.any():
        row = batch.rows[int(singular.nonzero()[0])]
        raise NotPositiveDefinite(
            f"The covariance of series[{row}] has no inverse ({batch.x.shape[1]} frames, {batch.x.shape[2]} regions). "
            "Use estimator='ledoit-wolf', more frames, or fewer regions."
        )
    return torch.cholesky_inverse(factor)


def _standardise(batch: Batch) -> Tensor:
    """Centre and z-score over frames, in place; exact 0 for a constant column, and no overflow for extreme units."""
    first = batch.x[:, :1].clone()
    peak = torch.maximum(batch.high[:, None] - first, first - batch.low[:, None])  # (B, 1, R) largest |x - first|
    x = batch.x.sub_(first).div_(torch.where(peak > 0, peak, 1))
    x = x.sub_(x.mean(1, keepdim=True))
    scale = x.square().mean(1, keepdim=True).sqrt()
    return x.div_(torch.where(scale > 0, scale, 1))
