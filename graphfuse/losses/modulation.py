"""On-the-fly gradient modulation: the modality that leads learns more slowly, so that the others catch up."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.losses.contract import as_mask


def modulation_factors(
    logits: Mapping[str, Tensor], y: Tensor, present: Mapping[str, Tensor] | None = None, alpha: float = 0.5
) -> dict[str, Tensor]:
    """Return ``k_m = 1 - tanh(alpha rho_m)`` where ``rho_m > 1``, else 1: by what to scale the gradients of encoder m.

    ``rho_m`` is the mean probability that the head of modality m gives the true class, over the mean of it for the
    other modalities; each mean runs over those who have the modality.

    Parameters
    ----------
    logits : dict of tensor (B, C)
        Of a head for each modality alone.
    y : int tensor (B,)
    present : dict of bool tensor (B,) or None
    alpha : float
        How strongly the leader is held back, at least 0.

    Returns
    -------
    dict of tensor ()
        In (0, 1]; 1 for a modality that nobody has.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Peng et al. (2022). Balanced multimodal learning via on-the-fly gradient modulation. CVPR (OGM-GE, for more than two
    modalities with the mean of the others, which is ours).
    """
    check_range("alpha", alpha, 0)
    scores = {name: _score(name, own, y, present) for name, own in sorted(logits.items())}
    factors = {}
    for name, score in scores.items():
        others = [other for key, other in scores.items() if key != name and other > 0]
        ratio = score / torch.stack(others).mean() if others else torch.ones(())
        factors[name] = torch.where(ratio > 1, 1 - torch.tanh(alpha * ratio), 1.0)
    return factors


def scale_gradient(z: Tensor, factor: Tensor | float, noise: float = 0.0) -> Tensor:
    """Return z itself, whose gradient is multiplied by `factor` on the way back.

    Parameters
    ----------
    z : tensor
        An embedding of a modality.
    factor : tensor () or float
    noise : float
        Deviation, in units of the gradient's own, of Gaussian noise added to it: what the scaling takes from the
        gradient's scatter, and with it from generalisation (the GE of OGM-GE).
    """
    return _ScaledGradient.apply(z, torch.as_tensor(factor, dtype=z.dtype, device=z.device), noise)


def _score(name: str, logits: Tensor, y: Tensor, present: Mapping[str, Tensor] | None) -> Tensor:
    check_shape(f"logits[{name!r}]", logits, (len(y), None))
    own = slice(None) if present is None else as_mask(f"present[{name!r}]", present[name], len(y))
    logits, y = check_finite(f"logits[{name!r}]", logits.detach()[own], LIMIT), y[own]
    return logits.softmax(1).gather(1, y[:, None]).mean() if len(y) else logits.new_zeros(())


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, factor, noise):
        ctx.factor, ctx.noise = factor, noise
        return z.view_as(z)

    @staticmethod
    def backward(ctx, grad):
        scaled = grad * ctx.factor
        if ctx.noise:
            scaled = scaled + ctx.noise * grad.std(correction=0) * torch.randn_like(grad)
        return scaled, None, None
