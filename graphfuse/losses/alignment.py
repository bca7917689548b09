"""Losses that make the embeddings of two modalities agree."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_option, check_range
from graphfuse.losses.contract import leaving, nothing, rows_alike, rows_paired, unit_rows


def cosine_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return ``mean_i 1 - cos(z1_i, z2_i)`` of embeddings (n, D)."""
    return (1 - (unit_rows(first) * unit_rows(second)).sum(-1)).mean()


def l1_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return ``mean_i | z1_i / |z1_i| - z2_i / |z2_i| |_1`` of embeddings (n, D)."""
    return (unit_rows(first) - unit_rows(second)).abs().sum(-1).mean()


def l2_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return ``mean_i | z1_i / |z1_i| - z2_i / |z2_i| |^2`` of embeddings (n, D), in 0 .. 4."""
    return (unit_rows(first) - unit_rows(second)).square().sum(-1).mean()


def mmd_distance(first: Tensor, second: Tensor) -> Tensor:
    """Return the squared maximum mean discrepancy ``mean k(z1, z1') + mean k(z2, z2') - 2 mean k(z1, z2)``.

    The kernel is ``exp(-d^2 / s)`` with s the mean squared distance of different rows of both sets together, so that
    to shrink both is no gain. It compares two clouds of points (n, D), not pairs.

    References
    ----------
    Gretton et al. (2012). A kernel two-sample test. JMLR 13.
    """
    z = torch.cat([first, second])
    squared = (z[:, None] - z[None]).square().sum(-1)  # (2n, 2n), exact where two rows agree
    scale = squared.sum() / (len(z) * (len(z) - 1))
    kernel = torch.exp(-squared / torch.where(scale > 0, scale, 1))
    n = len(first)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


SIMILARITIES = {"cosine": cosine_distance, "l1": l1_distance, "l2": l2_distance, "mmd": mmd_distance}


def similarity_loss(first: Tensor, second: Tensor, both: Tensor | None = None, kind: str = "l2") -> Tensor:
    """Return how far the embeddings of two modalities lie apart; 0 where they agree.

    The source names a similarity loss and gives no formula; these four are ours. Give each branch a classification
    loss as well: alone, this one is least where both are constant.

    Parameters
    ----------
    first, second : tensor (B, D)
    both : bool tensor (B,) or None
        Who has both modalities; nobody else counts. None means everybody.
    kind : {"cosine", "l1", "l2", "mmd"}

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Le et al. (2017). Automated diagnosis of prostate cancer in multi-parametric MRI based on multimodal convolutional
    neural networks. Phys Med Biol 62 (the idea; the formulas are ours).
    """
    distance = SIMILARITIES[check_option("kind", kind, SIMILARITIES)]
    first, second = rows_alike(first, second, both)
    return distance(first, second) if len(first) else nothing(first, second)


def gram_consistency(first: Tensor, second: Tensor, both: Tensor | None = None) -> Tensor:
    """Return ``mean_ij (G1_ij - G2_ij)^2``, the Gram matrices ``G = U U^T`` of centred rows U of length 1.

    Two channels are consistent if they find the same people alike.

    Parameters
    ----------
    first : tensor (B, D)
    second : tensor (B, D')
    both : bool tensor (B,) or None
        Who has both; nobody else counts. None means everybody.

    Raises
    ------
    NonFinite, ShapeMismatch, InvalidOption

    References
    ----------
    Wang et al. (2020). AM-GCN: adaptive multi-channel graph convolutional networks. KDD.
    """
    first, second = rows_paired(first, second, both)
    if not len(first):
        return nothing(first, second)
    first, second = (unit_rows(z - z.mean(0)) for z in (first, second))
    return (first @ first.T - second @ second.T).square().mean()


def cca_loss(first: Tensor, second: Tensor, both: Tensor | None = None, ridge: float = 1e-3) -> Tensor:
    """Return minus the sum of the canonical correlations, ``-|| S11^-1/2 S12 S22^-1/2 ||_tr``, ``S_mm += r I``.

    The square roots are Cholesky factors, which leave the singular values as they are and have gradients everywhere.
    Computed in float64.

    Parameters
    ----------
    first : tensor (B, D)
    second : tensor (B, D')
    both : bool tensor (B,) or None
        Who has both; nobody else counts. None means everybody.
    ridge : float
        r, at least 1e-10, relative to the mean variance of each modality.

    Returns
    -------
    tensor ()
        Between -min(D, D') and 0; 0 for fewer than two people.

    Raises
    ------
    NonFinite, ShapeMismatch, InvalidOption

    References
    ----------
    Andrew et al. (2013). Deep canonical correlation analysis. ICML (its ridge is absolute; ours follows the scale).
    """
    check_range("ridge", ridge, 1e-10)  # less drowns in the rounding of float64
    first, second = rows_paired(first, second, both)
    if len(first) < 2:
        return nothing(first, second)
    left, right = ((z - z.mean(0)).double() for z in (first, second))
    middle = left.T @ right / (len(left) - 1)
    half = torch.linalg.solve_triangular(_root(left, ridge), middle, upper=False)
    whitened = torch.linalg.solve_triangular(_root(right, ridge), half.T, upper=False)
    return leaving("the CCA loss", -torch.linalg.svdvals(whitened).sum().to(first))


def _root(centred: Tensor, ridge: float) -> Tensor:
    """Return the Cholesky factor of the covariance with a ridge, (D, D)."""
    covariance = centred.T @ centred / (len(centred) - 1)
    variance = covariance.diagonal().mean()
    floor = ridge * torch.where(variance > 0, variance, 1)
    return torch.linalg.cholesky(covariance + floor * torch.eye(len(covariance)).to(covariance))
