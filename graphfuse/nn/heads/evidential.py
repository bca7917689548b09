"""A last layer that counts evidence: a Dirichlet over class probabilities, in one pass."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.losses.soft_label import one_hot


class Opinion(NamedTuple):
    """What evidence says: ``sum_c belief + uncertainty = 1``.

    Parameters
    ----------
    belief : tensor (B, C)
        ``b = e / S``, with ``S = sum_c alpha_c``, ``alpha = e + 1``.
    uncertainty : tensor (B,)
        ``u = C / S``; 1 without evidence.
    probability : tensor (B, C)
        ``alpha / S``, the mean of the Dirichlet.
    """

    belief: Tensor
    uncertainty: Tensor
    probability: Tensor


def check_evidence(evidence: Tensor) -> Tensor:
    """Return evidence (B, C) if it is finite and at least 0, else raise `NonFinite` or `InvalidOption`."""
    check_finite("evidence", check_shape("evidence", evidence, (None, None)), LIMIT)
    if bool((evidence < 0).any()):
        raise InvalidOption(
            f"evidence must be at least 0; got {float(evidence.detach().min()):.3g}. Give softplus of logits."
        )
    return evidence


def opinion(evidence: Tensor) -> Opinion:
    """Return belief, uncertainty and probability of evidence (B, C), at least 0.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch
    """
    strength = (check_evidence(evidence) + 1).sum(1, keepdim=True)
    return Opinion(evidence / strength, evidence.shape[1] / strength[:, 0], (evidence + 1) / strength)


def dirichlet_kl(alpha: Tensor) -> Tensor:
    """Return ``KL( Dir(alpha) || Dir(1) )`` of alpha (B, C), (B,), computed in float64.

    ``log G(S) - sum log G(alpha_c) - log G(C) + sum (alpha_c - 1)(psi(alpha_c) - psi(S))``
    """
    a = alpha.double()
    total = a.sum(1)
    classes = torch.tensor(float(a.shape[1]), dtype=a.dtype, device=a.device)
    volume = total.lgamma() - a.lgamma().sum(1) - classes.lgamma()
    return (volume + ((a - 1) * (a.digamma() - total.digamma()[:, None])).sum(1)).clamp(min=0).to(alpha)


def evidential_loss(evidence: Tensor, labels: Tensor, epoch: int, annealing: int = 10) -> Tensor:
    """Return the loss of each person, (B,): expected squared error, and a price on evidence for the wrong classes.

    ``sum_c (y_c - p_c)^2 + p_c (1 - p_c) / (S + 1) + min(1, t / T) KL( Dir(y + (1 - y) alpha) || Dir(1) )``

    Parameters
    ----------
    evidence : tensor (B, C)
        At least 0, of `EvidentialHead`.
    labels : int tensor (B,)
    epoch : int
        t, from 0: the price grows, so that evidence is not stifled at the start.
    annealing : int
        T, epochs until the whole price.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Sensoy, Kaplan and Kandemir (2018). Evidential deep learning to quantify classification uncertainty. NeurIPS, eq. 5.
    """
    check_range("epoch", epoch, 0)
    check_range("annealing", annealing, 1)
    check_shape("labels", labels, (len(evidence),))
    probability, alpha = opinion(evidence).probability, evidence + 1
    y = one_hot(labels, evidence.shape[1]).to(evidence)
    spread = probability * (1 - probability) / (alpha.sum(1, keepdim=True) + 1)
    price = min(1.0, epoch / annealing) * dirichlet_kl(y + (1 - y) * alpha)
    return ((y - probability).square() + spread).sum(1) + price


class EvidentialHead(nn.Module):
    """Evidence ``e = softplus(x W^T + b)``, to be read by `opinion` and trained by `evidential_loss`.

    Parameters
    ----------
    in_channels, out_channels : int
        Width D, and classes C.

    References
    ----------
    Sensoy, Kaplan and Kandemir (2018). Evidential deep learning to quantify classification uncertainty. NeurIPS.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return evidence (B, C), at least 0, of x (B, D); raises `NonFinite` and `ShapeMismatch`."""
        check_finite("x", check_shape("x", x, (None, self.linear.in_features)), LIMIT)
        return softplus(self.linear(x))
