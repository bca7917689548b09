"""A last layer whose weights are distributions."""

from __future__ import annotations

from math import exp, log, sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from graphfuse._check import check_range, check_shape
from graphfuse.kernels.finite import LIMIT, check_finite


def gaussian_kl(mean: Tensor, scale: Tensor, prior_scale: float) -> Tensor:
    """Return ``KL( N(mean, scale^2) || N(0, prior_scale^2) )``, summed over all entries.

    Parameters
    ----------
    mean, scale : tensor of one shape
        `scale` above 0.
    prior_scale : float
        Above 0.
    """
    ratio = scale / prior_scale
    return ((ratio.square() + (mean / prior_scale).square() - 1) / 2 - ratio.log()).sum()


class VariationalLinear(nn.Module):
    """``y = x W^T + b`` with ``W = mu + softplus(rho) * eps``, ``eps ~ N(0, 1)``, drawn anew at every training step.

    People of a batch share eps up to random signs, ``x mu^T + ((x * s) (sigma * eps)^T) * r`` (Flipout), so that their
    draws are uncorrelated. In evaluation mode ``y = x mu^T + b``; `mc_predict` draws there too. Add
    ``penalty(num_subjects)`` to the mean cross-entropy. The source says a probabilistic layer and not which; this is
    our choice. The bias is an ordinary one.

    Parameters
    ----------
    in_channels, out_channels : int
    prior_scale : float
        Standard deviation of the prior of each weight.
    initial_scale : float
        softplus(rho) at the start.

    Raises
    ------
    InvalidOption

    References
    ----------
    Blundell et al. (2015). Weight uncertainty in neural networks. ICML.
    Wen et al. (2018). Flipout: efficient pseudo-independent weight perturbations on mini-batches. ICLR.
    """

    def __init__(self, in_channels: int, out_channels: int, prior_scale: float = 1.0, initial_scale: float = 0.05):
        super().__init__()
        self.prior_scale = check_range("prior_scale", prior_scale, 0, open_low=True)
        check_range("initial_scale", initial_scale, 0, 10, open_low=True)
        bound = 1 / sqrt(in_channels)  # as nn.Linear
        self.mean = nn.Parameter(torch.empty(out_channels, in_channels).uniform_(-bound, bound))
        self.rho = nn.Parameter(torch.full((out_channels, in_channels), log(exp(initial_scale) - 1)))
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-bound, bound))

    @property
    def scale(self) -> Tensor:
        """Standard deviation of each weight, ``softplus(rho)``, (out, in), above 0."""
        return softplus(self.rho).clamp(min=torch.finfo(self.rho.dtype).tiny)

    def forward(self, x: Tensor) -> Tensor:
        """Return y (B, out) of x (B, in); raises `NonFinite` and `ShapeMismatch`."""
        check_finite("x", check_shape("x", x, (None, self.mean.shape[1])), LIMIT)
        y = linear(x, self.mean, self.bias)
        return y + self._noise(x) if self.training else y

    def penalty(self, num_subjects: int) -> Tensor:
        """Return the divergence from the prior over the number of training subjects, ``KL / N``."""
        check_range("num_subjects", num_subjects, 1)
        return gaussian_kl(self.mean, self.scale, self.prior_scale) / num_subjects

    def _noise(self, x: Tensor) -> Tensor:
        drawn = self.scale * torch.randn_like(self.mean)
        return linear(x * _signs(x), drawn) * _signs(x.new_empty(len(x), len(drawn)))


def _signs(like: Tensor) -> Tensor:
    """Return -1 and 1 at random, in the shape of `like`."""
    return torch.randint(0, 2, like.shape, device=like.device).to(like) * 2 - 1
