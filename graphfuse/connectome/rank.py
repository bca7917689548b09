"""Spearman's rank correlation of time series."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse.connectome.pairwise import Series, per_subject
from graphfuse.connectome.series import Batch


def spearman(series: Series, *, usable=None, device="cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    """Spearman correlation of every pair of regions: Pearson's r of the ranks, equal values sharing their mean rank.

    ``rho_ij = sum_t a_ti a_tj / sqrt(sum_t a_ti^2 sum_t a_tj^2)``, ``a = rank - (T + 1) / 2``. Equals
    ``scipy.stats.spearmanr`` of each subject. It has no unit and no monotone rescaling of a region changes it. The
    diagonal is exactly 1; an unusable region has 0 elsewhere.

    Parameters
    ----------
    series : sequence of (T_i, R), or (B, T, R), or (T, R)
        Time series, frames by regions; lengths may differ.
    usable : array (B, R) bool or None
        Regions to use; the others influence nothing. None: all.
    device, dtype
        Where and in which precision; float64 series are ranked in float64.

    Returns
    -------
    Tensor (B, R, R)

    Raises
    ------
    UnusableRegion
        A region that counts as usable is constant.
    NonFinite, ShortSeries, ShapeMismatch, MissingModality

    References
    ----------
    Spearman (1904), The proof and measurement of association between two things, Am J Psychol 15.
    """
    return per_subject(_spearman, series, usable=usable, device=device, dtype=dtype)


def average_ranks(x: Tensor) -> Tensor:
    """Ranks from 1 to T over frames, equal values sharing the mean of theirs.

    Parameters
    ----------
    x : Tensor (B, T, R)

    Returns
    -------
    Tensor (B, T, R), of the dtype of `x`.
    """
    values, order = _sort(x.mT.contiguous())  # (B, R, T): frames side by side sort quicker
    position = torch.arange(x.shape[1], device=x.device, dtype=x.dtype)
    repeats = values[..., 1:] == values[..., :-1]
    ranks = (position + 1).expand(values.shape) if not repeats.any() else _run_means(repeats, position) + 1
    return torch.empty_like(values).scatter_(2, order, ranks).mT


def _sort(x: Tensor) -> tuple[Tensor, Tensor]:
    if x.device.type != "cpu":
        return x.sort(dim=2)
    order = torch.from_numpy(np.argsort(x.numpy(), axis=2))  # numpy sorts short rows several times as fast as torch
    return x.gather(2, order), order


def _run_means(repeats: Tensor, position: Tensor) -> Tensor:
    """Mean position of the run of equal values that each sorted entry belongs to, (B, R, T)."""
    edge = torch.zeros_like(repeats[..., :1])
    first = torch.where(torch.cat([edge, repeats], 2), 0, position).cummax(2).values
    last = torch.where(torch.cat([repeats, edge], 2), position[-1], position)
    last = last.flip(2).cummin(2).values.flip(2)
    return (first + last) / 2


def _spearman(batch: Batch) -> Tensor:
    centred = average_ranks(batch.x) - (batch.x.shape[1] + 1) / 2  # halves: exact
    norm = centred.norm(dim=1, keepdim=True)
    unit = centred / torch.where(norm > 0, norm, 1)
    return (unit.mT @ unit).clamp(-1, 1)
