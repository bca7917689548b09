"""Covariance estimators over a batch of equally long series: empirical, and shrunk by Ledoit and Wolf."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse.kernels.jit import jit, over_rows


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
    n_frames, covariance = x.shape[1], _gram(x)
    identity = torch.ones_like(x[:, 0]) if usable is None else usable.to(x)  # (B, R)
    mu = covariance.diagonal(dim1=1, dim2=2).sum(1) / n_frames / identity.sum(1)
    unit = torch.where(mu > 0, mu, 1)  # fourth powers are taken in units of mu, so that they cannot overflow
    fourth = (torch.linalg.vecdot(x, x) / unit[:, None]).square().mean(1)  # (B,) mean over frames of |x_t|^4
    on_cpu = covariance.device.type == "cpu" and not covariance.requires_grad
    return (_shrink if on_cpu else shrink_reference)(covariance, n_frames, identity, mu, unit, fourth)


def shrink_reference(gram: Tensor, n_frames: int, identity: Tensor, mu: Tensor, unit: Tensor, fourth: Tensor):
    """Shrunk covariance (B, R, R) and shrinkage (B,) of ``X^T X`` in plain torch, on any device."""
    share = mu / unit  # 1, or 0 for a series of zeros
    apart = gram / (n_frames * unit)[:, None, None]
    apart.diagonal(dim1=1, dim2=2).sub_(share[:, None] * identity)  # S - mu I, whose trace is 0
    spread = torch.linalg.vector_norm(apart, dim=(1, 2)).square()
    noise = (fourth - spread - identity.sum(1) * share.square()) / n_frames  # |S|^2 = |S - mu I|^2 + R mu^2
    shrinkage = torch.where(spread > 0, (noise / torch.where(spread > 0, spread, 1)).clamp(0, 1), 0)
    shrunk = apart * ((1 - shrinkage) * unit)[:, None, None]
    shrunk.diagonal(dim1=1, dim2=2).add_(mu[:, None] * identity)
    return shrunk, shrinkage


def _shrink(gram: Tensor, n_frames: int, identity: Tensor, mu: Tensor, unit: Tensor, fourth: Tensor):
    """`shrink_reference` in place, each matrix while it is in the cache."""
    shrinkage, share = torch.empty_like(mu), (mu / unit)[:, None] * identity
    apart = gram.diagonal(dim1=1, dim2=2) / (n_frames * unit)[:, None] - share  # the diagonal of S - mu I, over mu
    noise = fourth - share.square().sum(1)
    over_rows(_shrink_each, len(gram), gram, n_frames, apart, noise, identity, mu, unit, shrinkage, least=1)
    return gram, shrinkage


@jit
def _shrink_each(begin, end, gram, n_frames, apart, noise, identity, mu, unit, shrinkage):
    regions = gram.shape[1]
    for b in range(begin, end):
        scale, spread = 1 / (n_frames * unit[b]), 0.0
        for i in range(regions):
            spread += apart[b, i] ** 2
            for j in range(i):
                spread += (gram[b, i, j] * scale) ** 2
            for j in range(i + 1, regions):
                spread += (gram[b, i, j] * scale) ** 2
        s = min(max((noise[b] - spread) / n_frames / spread, 0.0), 1.0) if spread > 0 else 0.0
        shrinkage[b] = s
        for i in range(regions):
            own = apart[b, i] * unit[b] * (1 - s) + mu[b] * identity[b, i]
            for j in range(regions):
                gram[b, i, j] *= (1 - s) / n_frames
            gram[b, i, i] = own


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
