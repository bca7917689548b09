"""Mutual information of time series: by histogram, normalised, and the closed form for Gaussians."""

from __future__ import annotations

from functools import partial
from numbers import Integral

import torch
from torch import Tensor

from graphfuse._check import check_range
from graphfuse.connectome.pairwise import Series, per_subject, standardise
from graphfuse.connectome.rank import average_ranks
from graphfuse.connectome.series import Batch
from graphfuse.errors import InvalidOption, ShortSeries

LARGEST_R = 1 - 1e-7  # as fisher_z: the information of a correlation of 1 is infinite


def mutual_information(
    series: Series, bins: int = 5, *, usable=None, device="cpu", dtype: torch.dtype = torch.float32
) -> Tensor:
    """Mutual information of every pair of regions [nats], by the histogram of equally frequent bins.

    ``I_ij = sum_ab p_ab log(p_ab / (p_a p_b))`` over the bins a of region i and b of region j. It equals
    ``sklearn.metrics.mutual_info_score`` of `equal_frequency_bins`, sees dependence of any shape, and no monotone
    rescaling of a region changes it. The estimate is biased upwards: independent regions reach about
    ``(bins - 1)^2 / (2 T)``. Compare subjects of one length only; 5 bins want some 125 frames (5 in each of the
    ``bins^2`` cells).

    Parameters
    ----------
    series : sequence of (T_i, R), or (B, T, R), or (T, R)
        Time series, frames by regions; lengths may differ.
    bins : int
        Bins a region, at least 2 and at most T.
    usable : array (B, R) bool or None
        Regions to use; the others influence nothing. None: all.
    device, dtype
        Where and in which precision.

    Returns
    -------
    Tensor (B, R, R)
        From 0 on; the diagonal is the entropy of a region's bins, ``log(bins)`` without ties. An unusable region has 0
        everywhere.

    Raises
    ------
    InvalidOption
        Fewer than 2 bins.
    ShortSeries
        Fewer frames than bins.
    UnusableRegion, NonFinite, ShapeMismatch, MissingModality

    References
    ----------
    Panzeri et al. (2007), Correcting for the sampling bias problem in spike train information measures, J Neurophysiol
    98 (the bias).
    """
    measure = partial(_information, bins=_check_bins(bins))
    return per_subject(measure, series, usable=usable, device=device, dtype=dtype, diagonal=None)


def normalised_mutual_information(
    series: Series, bins: int = 5, *, usable=None, device="cpu", dtype: torch.dtype = torch.float32
) -> Tensor:
    """Mutual information over the mean entropy of the two regions: ``2 I_ij / (H_i + H_j)``, between 0 and 1.

    Equals ``sklearn.metrics.normalized_mutual_info_score`` of `equal_frequency_bins`. The bias is that of
    `mutual_information` over ``log(bins)``. The diagonal is exactly 1; an unusable region has 0 elsewhere.

    Arguments and errors are those of `mutual_information`.
    """
    measure = partial(_normalised, bins=_check_bins(bins))
    return per_subject(measure, series, usable=usable, device=device, dtype=dtype)


def gaussian_information(series: Series, *, usable=None, device="cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    """Mutual information of every pair of regions [nats], were they Gaussian: ``I_ij = -log(1 - r_ij^2) / 2``.

    ``|r|`` is clipped at ``1 - 1e-7``, as `fisher_z` does, so that no value exceeds 7.7 nats; the diagonal has it. It
    says what the correlation says, without the sign; independent regions reach about ``1 / (2 T)``.

    Parameters
    ----------
    series, usable, device, dtype
        As for `mutual_information`.

    Returns
    -------
    Tensor (B, R, R)
        From 0 on; an unusable region has 0 everywhere.

    Raises
    ------
    UnusableRegion, NonFinite, ShortSeries, ShapeMismatch, MissingModality

    References
    ----------
    Cover and Thomas (2006), Elements of information theory, example 8.5.1.
    """
    return per_subject(_gaussian, series, usable=usable, device=device, dtype=dtype, diagonal=None)


def equal_frequency_bins(x: Tensor, bins: int) -> Tensor:
    """Bin of each frame, ``floor((rank - 1/2) bins / T)``: bins hold equally many frames, equal values share a bin.

    Parameters
    ----------
    x : Tensor (B, T, R)
    bins : int

    Returns
    -------
    Tensor (B, T, R) int64, from 0 to ``bins - 1``.
    """
    odd = (2 * average_ranks(x)).long() - 1  # whole numbers, so that no frame falls over an edge by rounding
    return odd * bins // (2 * x.shape[1])


def _check_bins(bins: int) -> int:
    if not isinstance(bins, Integral):
        raise InvalidOption(f"bins must be a whole number; got {bins!r}.")
    return check_range("bins", int(bins), 2)


def _information(batch: Batch, bins: int) -> Tensor:
    n_frames = batch.x.shape[1]
    if n_frames < bins:
        raise ShortSeries(
            f"series[{batch.rows[0]}] has {n_frames} frames for {bins} bins. Use fewer bins, or leave the subject out."
        )
    label = equal_frequency_bins(batch.x, bins)
    members = [(label == a).float() for a in range(bins)]  # (b, T, R) each
    # n log n of every count from 0 to T; a count in float32 is exact.
    counts = torch.arange(n_frames + 1, dtype=torch.float64, device=label.device)
    n_log_n = torch.xlogy(counts, counts).to(batch.x.dtype)
    joint = _joint_sum(members, n_log_n)
    own = joint.diagonal(dim1=1, dim2=2)  # a region with itself has its own counts
    total = joint - own[:, :, None] - own[:, None, :]
    return (total / n_frames + counts[-1].log().item()).clamp_min(0)


def _joint_sum(members: list[Tensor], n_log_n: Tensor) -> Tensor:
    """``sum_ab n_ab log n_ab`` over the joint histogram of every pair, (b, R, R): one product a pair of bins."""
    total = 0
    for a, first in enumerate(members):
        total = total + n_log_n[(first.mT @ first).long()]
        for second in members[a + 1 :]:
            values = n_log_n[(first.mT @ second).long()]
            total = total + values + values.mT
    return total


def _normalised(batch: Batch, bins: int) -> Tensor:
    information = _information(batch, bins)
    entropy = information.diagonal(dim1=1, dim2=2)
    mean = (entropy[:, :, None] + entropy[:, None, :]) / 2
    return (information / torch.where(mean > 0, mean, 1)).clamp(0, 1)


def _gaussian(batch: Batch) -> Tensor:
    z = standardise(batch.x)
    r = (z.mT @ z / z.shape[1]).clamp(-LARGEST_R, LARGEST_R)
    r.diagonal(dim1=1, dim2=2).fill_(LARGEST_R)
    return -(torch.log1p(-r) + torch.log1p(r)) / 2
