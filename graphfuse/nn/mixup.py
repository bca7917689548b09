"""Mixing people of a batch: of vectors along lines, of connectomes along geodesics.

mixing = draw_mixing(len(labels))
x, target = mix(x, mixing), mix(one_hot(labels, classes), mixing)
loss = soft_cross_entropy(network(x), target).mean()
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.geodesic import geodesic


class Mixing(NamedTuple):
    """Who is mixed with whom; all that is a person's, the label too, is mixed by the same one.

    Parameters
    ----------
    share : tensor (B,)
        What each keeps of himself, in 0 .. 1.
    partner : int tensor (B,)
    """

    share: Tensor
    partner: Tensor


def draw_mixing(batch: int, concentration: float = 1.0, device="cpu") -> Mixing:
    """Draw a partner for everyone, and one share for the whole batch from Beta(a, a), by torch's own generator.

    Parameters
    ----------
    batch : int
    concentration : float
        a > 0; at 1 every share is as likely as another.
    device : torch.device or str

    Raises
    ------
    InvalidOption

    References
    ----------
    Zhang et al. (2018). mixup: beyond empirical risk minimization. ICLR.
    """
    check_range("concentration", concentration, 0, open_low=True)
    share = torch.distributions.Beta(float(concentration), float(concentration)).sample()
    return Mixing(share.to(device).expand(batch), torch.randperm(batch, device=device))


def mix_present(present: Tensor, mixing: Mixing) -> Tensor:
    """Return who has the modality once mixed, (B,) bool: those who had it and whose partner had it."""
    return present & present[mixing.partner]


def mix(x: Tensor, mixing: Mixing, present: Tensor | None = None) -> Tensor:
    """Return ``l x_i + (1 - l) x_p`` with i's partner p; zeros where one of the two lacks it.

    Parameters
    ----------
    x : tensor (B, ...)
        Features, or labels as distributions.
    mixing : Mixing
    present : bool tensor (B,) or None
        Who has the modality; afterwards it is `mix_present`. None means everybody.

    Raises
    ------
    NonFinite, ShapeMismatch
    """
    rows = _rows(x, mixing, present)
    share = mixing.share[rows].to(x).view(-1, *(1,) * (x.dim() - 1))
    mixed = share * x[rows] + (1 - share) * x[mixing.partner[rows]]
    return torch.zeros_like(x).index_put((rows,), check_finite("x of those who have it", mixed, LIMIT))


@torch.no_grad()
def r_mixup(
    correlations: Tensor,
    mixing: Mixing,
    present: Tensor | None = None,
    kind: str = "log-euclidean",
    shrinkage: float = 0.05,
) -> Tensor:
    """Return correlations mixed along geodesics, between ``(1 - e) S_i + e I`` and the same of i's partner.

    The shrinkage makes a correlation of fewer frames than regions positive definite, and the diagonal is set to 1
    again, ``S_rs / sqrt(S_rr S_ss)``. Mix the labels by the same `mixing`. No gradient passes. The size of e is ours.

    Parameters
    ----------
    correlations : tensor (B, R, R)
        Symmetric; of those who have the modality.
    mixing : Mixing
    present : bool tensor (B,) or None
        Who has the modality; where one of the two lacks it the result is 0. None means everybody.
    kind : {"affine-invariant", "log-euclidean"}
    shrinkage : float
        e, in (0, 1].

    Returns
    -------
    tensor (B, R, R)
        Symmetric positive definite with unit diagonal.

    Raises
    ------
    InvalidOption, NotPositiveDefinite, NonFinite, ShapeMismatch

    References
    ----------
    Kan et al. (2023). R-Mixup: Riemannian mixup for biological networks. KDD.
    """
    check_range("shrinkage", shrinkage, 0, 1, open_low=True)
    check_shape("correlations", correlations, (None, correlations.shape[-1], None))
    rows = _rows(correlations, mixing, present)
    pair = (correlations[rows].double(), correlations[mixing.partner[rows]].double())
    first, second = (_shrunk(matrices, shrinkage) for matrices in pair)
    mixed = _unit_diagonal(geodesic(first, second, 1 - mixing.share[rows].double(), kind))
    return torch.zeros_like(correlations).index_put((rows,), mixed.to(correlations.dtype))


def _rows(x: Tensor, mixing: Mixing, present: Tensor | None) -> Tensor:
    """Return the rows (n,) of those who have the modality and whose partner has it."""
    check_shape("mixing.share", mixing.share, (len(x),))
    check_shape("mixing.partner", mixing.partner, (len(x),))
    if present is None:
        return torch.arange(len(x), device=x.device)
    return mix_present(check_shape("present", present, (len(x),)).bool(), mixing).nonzero()[:, 0]


def _shrunk(matrices: Tensor, shrinkage: float) -> Tensor:
    return (1 - shrinkage) * matrices + shrinkage * torch.eye(matrices.shape[-1]).to(matrices)


def _unit_diagonal(matrices: Tensor) -> Tensor:
    scale = matrices.diagonal(dim1=1, dim2=2).rsqrt()
    correlations = scale[:, :, None] * matrices * scale[:, None]
    return torch.diagonal_scatter(correlations, torch.ones_like(scale), dim1=1, dim2=2)
