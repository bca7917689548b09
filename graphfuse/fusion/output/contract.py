"""The contract of every fusion of outputs: ``rule(probabilities (B, M, C), present (B, M), **options) -> (B, C)``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.kernels.finite import check_finite
from graphfuse.losses.contract import as_mask

CLIP = 1e-6  # probabilities below it are taken as it before a logarithm
SUM = 1e-4  # how far from 1 masses may sum, in whatever precision they were computed


def enter(probabilities: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Check what comes to a rule, and replace the opinions of missing modalities by zeros.

    Not a bit of a missing opinion passes, in the output or in a gradient, be it a NaN.

    Parameters
    ----------
    probabilities : tensor (B, M, C)
        What each of M modalities, or models, says of C classes.
    present : bool tensor (B, M)
        Who has which modality.

    Returns
    -------
    probabilities : tensor (B, M, C)
    mask : bool tensor (B, M)

    Raises
    ------
    MissingModality
        A subject has none.
    InvalidOption
        An opinion of somebody who has the modality is no distribution, or `present` is not boolean.
    NonFinite, ShapeMismatch
    """
    p, mask = enter_masked("probabilities", probabilities, present)
    check_masses("probabilities", p, mask)
    return p, mask


def check_masses(name: str, masses: Tensor, mask: Tensor) -> None:
    """Raise `InvalidOption` unless masses (B, M, ...) are at least 0 and sum to 1 wherever mask (B, M) is True."""
    off = mask & (((masses.detach().sum(-1) - 1).abs() > SUM) | (masses.detach() < 0).any(-1))
    if bool(off.any()):
        raise InvalidOption(
            f"{name} must be at least 0 and sum to 1; {int(off.sum())} opinions do not. Give the softmax of logits."
        )


def enter_masked(name: str, values: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return values (B, M, C) with zeros at what is missing, finite, and the mask (B, M); errors as of `enter`."""
    check_shape(name, values, (None, None, None))
    mask = as_mask("present", present, *values.shape[:2])
    absent = int((~mask.any(1)).sum())
    if absent:
        raise MissingModality(
            f"Every subject needs one modality at least; {absent} of {len(mask)} have none. Leave them out."
        )
    return check_finite(f"{name} of those who have it", torch.where(mask[..., None], values, 0.0)), mask


def by_modality(name: str, value: Tensor | Sequence[float] | None, p: Tensor, mask: Tensor) -> Tensor:
    """Return an option with one number a modality, (M,) or (B, M), as (B, M) of p's type, 0 where missing.

    Raises `InvalidOption` for None or a number below 0, `NonFinite`, `ShapeMismatch`.
    """
    if value is None:
        raise InvalidOption(f"This rule needs {name}: one number a modality. Give {name}=(...), or take rule 'mean'.")
    value = torch.as_tensor(value, dtype=p.dtype, device=p.device)
    check_shape(name, value, tuple(mask.shape) if value.dim() == 2 else (p.shape[1],))
    value = check_finite(f"{name} of the modalities that are there", torch.where(mask, value, 0.0))
    if bool((value < 0).any()):
        raise InvalidOption(f"{name} must be at least 0; got {float(value.min()):.3g}.")
    return value


def shares(weights: Tensor, mask: Tensor) -> Tensor:
    """Return weights (B, M) at least 0 as shares of those who are there, rows summing to 1.

    Equal shares where all that are there weigh 0: one modality alone always has its say.
    """
    weights = torch.where(mask, weights, 0.0)
    weights = weights / weights.amax(1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)  # no overflow in sums
    total = weights.sum(1, keepdim=True)
    equal = mask.to(weights) / mask.sum(1, keepdim=True)
    return torch.where(total > 0, weights / torch.where(total > 0, total, 1.0), equal)


def safe_log(p: Tensor) -> Tensor:
    """Return ``log max(p, 1e-6)``: a model that is certain and wrong is outvoted, not obeyed."""
    return p.clamp(min=CLIP).log()
