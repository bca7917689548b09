"""Covariance estimators over a batch of equally long series: empirical, and shrunk by Ledoit and Wolf."""

from __future__ import annotations

import numpy as np
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
    return _empirical(_centre(x, usable))


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
    return _ledoit_wolf(_centre(x, usable), usable)


def _empirical(x: Tensor, usable: Tensor | None = None) -> tuple[Tensor, Tensor]:
    covariance = _gram(x).div_(x.shape[1])
    return covariance, covariance.new_zeros(len(covariance))


def _ledoit_wolf(x: Tensor, usable: Tensor | None = None) -> tuple[Tensor, Tensor]:
    n_frames = x.shape[1]
    covariance = _gram(x)
    identity = torch.ones_like(x[:, 0]) if usable is None else usable.to(x)  # (B, R)
    count = identity.sum(1)
    mu = covariance.diagonal(dim1=1, dim2=2).sum(1) / n_frames / count
    unit = torch.where(mu > 0, mu, 1)  # fourth powers are taken in units of mu, so that they cannot overflow
    share = mu / unit  # 1, or 0 for a series of zeros
    fourth = (torch.linalg.vecdot(x, x) / unit[:, None]).square().mean(1)  # (B,) mean over frames of |x_t|^4
    apart = covariance / (n_frames * unit)[:, None, None]
    apart.diagonal(dim1=1, dim2=2).sub_(share[:, None] * identity)  # S - mu I, whose trace is 0
    spread = torch.linalg.vector_norm(apart, dim=(1, 2)).square()
    noise = (fourth - spread - count * share.square()) / n_frames  # |S|^2 = |S - mu I|^2 + R mu^2
    shrinkage = torch.where(spread > 0, (noise / torch.where(spread > 0, spread, 1)).clamp(0, 1), 0)
    shrunk = apart * ((1 - shrinkage) * unit)[:, None, None]
    shrunk.diagonal(dim1=1, dim2=2).add_(mu[:, None] * identity)
    return shrunk, shrinkage


def _gram(x: Tensor) -> Tensor:
    """``X^T X``, (B, R, R), exactly symmetric; numpy knows that half of it is enough, torch does not."""
    if x.device.type == "cpu" and not x.requires_grad:
        rows = x.contiguous().numpy()
        with np.errstate(over="ignore", invalid="ignore"):  # who calls looks for infinities, and says where
            return torch.from_numpy(np.matmul(rows.transpose(0, 2, 1), rows))
    gram = x.mT @ x
    return (gram + gram.mT) / 2


def _centre(x: Tensor, usable: Tensor | None) -> Tensor:
    x = x - x.mean(1, keepdim=True)
    return x if usable is None or usable.all() else torch.where(usable[:, None], x, 0)


ESTIMATORS = {"empirical": empirical, "ledoit-wolf": ledoit_wolf}
OF_CENTRED = {"empirical": _empirical, "ledoit-wolf": _ledoit_wolf}  # the same of centred series, unusable regions 0
