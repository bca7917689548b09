"""GradNorm: weights under which every modality's loss pulls at a shared parameter with alike strength."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.losses.contract import leaving
from graphfuse.losses.weighting import mean_losses, modality_names


class GradNormWeighting(nn.Module):
    """``L = sum_m w_m L_m + sum_m | G_m - mean(G) r_m^alpha |``, ``G_m = | d(w_m L_m) / d theta |``, ``sum_m w_m = M``.

    ``r_m = (L_m / L_m(0)) / mean_m (L_m / L_m(0))``: a modality that learns slowly is to pull harder. The second sum
    moves only the weights, the first only the network. L_m(0) is the first loss that is seen in training. A modality
    that nobody of a batch has takes no part in it.

    Parameters
    ----------
    names : iterable of str
        Of the modalities.
    alpha : float
        How much harder slow ones pull; 0 = all alike.

    Raises
    ------
    InvalidOption

    References
    ----------
    Chen et al. (2018). GradNorm: gradient normalization for adaptive loss balancing in deep multitask networks. ICML.
    """

    def __init__(self, names: Iterable[str], alpha: float = 1.5):
        super().__init__()
        self.names, self.alpha = modality_names(names), check_range("alpha", alpha, 0)
        self.log_weight = nn.Parameter(torch.zeros(len(self.names)))
        self.register_buffer("first", torch.zeros(len(self.names)))  # 0 = not seen yet

    def weights(self) -> Tensor:
        """Return w (M,), positive, summing to M."""
        return len(self.names) * self.log_weight.softmax(0)

    def forward(
        self, losses: Mapping[str, Tensor], shared: Tensor, present: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total and the weight of each modality.

        Parameters
        ----------
        losses : dict of tensor (B,)
            Each computed through `shared`.
        shared : tensor
            theta, a parameter that all modalities pass through, such as the weight of the fused head.
        present : dict of bool tensor (B,) or None

        Errors are those of `mean_losses`.
        """
        mean, anybody = mean_losses(self.names, losses, present)
        if self.training:
            self.first = torch.where(anybody & (self.first == 0), mean.detach(), self.first)
        weight = self.weights()
        total = (weight.detach() * mean).sum()
        if self.training and torch.is_grad_enabled() and int(anybody.sum()) > 1:
            total = total + self._balance(weight, mean, anybody, shared)
        return leaving("the weighted loss", total), dict(zip(self.names, weight.detach(), strict=True))

    def _balance(self, weight: Tensor, mean: Tensor, anybody: Tensor, shared: Tensor) -> Tensor:
        """Return how far each modality's pull is from its goal; the pulls themselves and the goal are constants."""
        places = anybody.nonzero()[:, 0]
        pulls = [torch.autograd.grad(mean[m], shared, retain_graph=True)[0].norm() for m in places.tolist()]
        own = weight[places] * torch.stack(pulls)
        rate = mean.detach()[places] / self.first[places].clamp(min=torch.finfo(mean.dtype).tiny)
        rate = rate / rate.mean().clamp(min=torch.finfo(mean.dtype).tiny)
        return (own - (own.mean() * rate**self.alpha).detach()).abs().sum()
