"""Covariance estimators over a batch of equally long series: empirical, and shrunk by Ledoit and Wolf."""

from __future__ import annotations

import torch
from torch import Tensor


def empirical(x: Tensor, usable: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Maximum-likelihood covariance: ``S = X^T X / T`` of the centred series.

    Parameters
    ----------
    x : Tensor (B, T, R)
        Time series.
    usable : Tensor (B, R) bool or None
        Regions to use; rows and columns of the others are 0.

    Returns
    -------
    covariance : Tensor (B, R, R)
    shrinkage : Tensor (B,)
        Zeros.
    """
    x = _centre(x, usable)
    covariance = x.mT @ x / x.shape[1]
    return covariance, covariance.new_zeros(len(covariance))


def ledoit_wolf(x: Tensor, usable: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Covariance shrunk towards a multiple of the identity: ``(1 - s) S + s mu I``, ``mu = tr(S) / R``.

    The shrinkage is ``s = min(b, d) / d``, with ``d = |S - mu I|^2`` and ``b = (sum_t |x_t|^4 / T - |S|^2) / T``; the
    sum over region pairs is a sum over frames, so nothing larger than `x` or `S` is written. Equals
    ``sklearn.covariance.ledoit_wolf`` of each subject, and of the usable regions alone where some are not.

    Parameters
    ----------
    x : Tensor (B, T, R)
        Time series; float64 where the covariance will be inverted.
    usable : Tensor (B, R) bool or None
        Regions to use; rows and columns of the others are 0.

    Returns
    -------
    covariance : Tensor (B, R, R)
    shrinkage : Tensor (B,)
        Between 0 and 1.

    References
    ----------
    Ledoit and Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices, J Multivar Anal 88.
    """
    x = _centre(x, usable)
    n_frames = x.shape[1]
    covariance = x.mT @ x / n_frames
    count = x.new_full((len(x),), x.shape[2]) if usable is None else usable.sum(1).to(x)
    mu = covariance.diagonal(dim1=1, dim2=2).sum(1) / count
    unit = torch.where(mu > 0, mu, 1)  # fourth powers are taken in units of mu, so that they cannot overflow
    target = torch.diag_embed((torch.ones_like(x[:, 0]) if usable is None else usable.to(x)) * mu[:, None])
    scaled = covariance / unit[:, None, None]
    fourth = (x.square().sum(2) / unit[:, None]).square().mean(1)  # (B,) mean over frames of |x_t|^4
    spread = (scaled - target / unit[:, None, None]).square().sum((1, 2))
    noise = (fourth - scaled.square().sum((1, 2))) / n_frames
    shrinkage = torch.where(spread > 0, (noise / torch.where(spread > 0, spread, 1)).clamp(0, 1), 0)
    weight = shrinkage[:, None, None]
    return (1 - weight) * covariance + weight * target, shrinkage


def _centre(x: Tensor, usable: Tensor | None) -> Tensor:
    x = x - x.mean(1, keepdim=True)
    return x if usable is None or usable.all() else torch.where(usable[:, None], x, 0)


ESTIMATORS = {"empirical": empirical, "ledoit-wolf": ledoit_wolf}
