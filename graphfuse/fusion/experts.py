"""Each modality an expert: the product of their Gaussians, and their mixture."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from graphfuse._check import check_range
from graphfuse.fusion.contract import enter


def product_of_gaussians(means: Tensor, precisions: Tensor, prior: float = 1.0) -> tuple[Tensor, Tensor]:
    """Return mean and precision, (B, D) each, of the product of M Gaussians and of a prior around 0.

    ``t = t_0 + sum_m t_m``, ``mu = sum_m t_m mu_m / t`` with precisions ``t_m = 1 / s_m^2``.

    Parameters
    ----------
    means, precisions : tensor (B, M, D)
        An expert of precision 0 says nothing.
    prior : float
        Precision t_0 of the prior.
    """
    precision = prior + precisions.sum(1)
    return (precisions * means).sum(1) / precision, precision


class ProductOfExperts(nn.Module):
    """Product of Gaussian experts: z is the mean of ``N(0, 1 / t_0) prod_{m in P} N(mu_m, 1 / t_m)``.

    ``mu_m = W_m v_m + b_m``, ``t_m = softplus(A_m v_m + a_m)``, ``z = sum_m t_m mu_m / (t_0 + sum_m t_m)``, sums over
    the modalities P that a subject has: the expert of a missing modality is left out, and the fewer there are, the
    nearer z comes to the prior's 0.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    prior : float
        Precision t_0 of the prior, above 0.

    Notes
    -----
    The usual precision is the exponential of a linear map; softplus, which cannot overflow, is ours.

    References
    ----------
    Wu and Goodman (2018). Multimodal generative models for scalable weakly-supervised learning. NeurIPS.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, prior: float = 1.0):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        self.prior = check_range("prior", prior, 1e-6, 1e6)
        self.experts = nn.ModuleList(nn.Linear(in_channels[name], 2 * out_channels) for name in sorted(in_channels))

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return z (B, D), and each modality's mean share of the precision t (B, M), detached; the prior has the rest.

        See `graphfuse.fusion.contract.enter` for the arguments and errors.
        """
        means, precisions = self._experts(embeddings, present)
        z, precision = product_of_gaussians(means, precisions, self.prior)
        return z, (precisions / precision[:, None]).detach().mean(-1)

    def distribution(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return mean z and variance 1 / t of the product, (B, D) each, for a latent that is sampled."""
        mean, precision = product_of_gaussians(*self._experts(embeddings, present), self.prior)
        return mean, 1 / precision

    def _experts(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return means and precisions (B, M, D), precision 0 where a modality is missing."""
        values, mask = enter(embeddings, present, self.in_channels)
        both = torch.stack([expert(v) for expert, v in zip(self.experts, values, strict=True)], 1)  # (B, M, 2 D)
        mean, precision = both.chunk(2, -1)
        return mean, torch.where(mask[..., None], softplus(precision), 0.0)


class MixtureOfExperts(nn.Module):
    """Mixture of experts ``z = sum_m pi_m mu_m``, ``mu_m = W_m v_m + b_m``, ``pi = softmax_{m in P}(G v + c)``.

    z is the mean of the mixture of densities around the mu_m; the gate reads ``v = [v_1 || .. || v_M]``. G and c start
    at 0, so that z starts as the average of the experts P that a subject has. A missing modality has pi_m = 0, and is 0
    in v.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.

    References
    ----------
    Jacobs et al. (1991). Adaptive mixtures of local experts. Neural Computation 3.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        widths = [in_channels[name] for name in sorted(in_channels)]
        self.experts = nn.ModuleList(nn.Linear(width, out_channels) for width in widths)
        self.gate = nn.Linear(sum(widths), len(widths))
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return z (B, D), and pi (B, M), detached, rows summing to 1.

        See `graphfuse.fusion.contract.enter` for the arguments and errors.
        """
        values, mask = enter(embeddings, present, self.in_channels)
        means = torch.stack([expert(v) for expert, v in zip(self.experts, values, strict=True)], 1)  # (B, M, D)
        share = self.gate(torch.cat(values, 1)).masked_fill(~mask, -torch.inf).softmax(1)
        return (share[..., None] * means).sum(1), share.detach()
