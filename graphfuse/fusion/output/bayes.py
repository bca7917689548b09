"""The product of opinions that are independent once the class is known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption
from graphfuse.fusion.output.contract import by_modality, enter, safe_log
from graphfuse.kernels.finite import check_finite


def bayes(
    probabilities: Tensor,
    present: Tensor,
    prior: Tensor | Sequence[float] | None = None,
    exponents: Tensor | Sequence[float] | None = None,
) -> Tensor:
    """Return ``p(c | x) ~ pi_c^(1 - M') prod_m p_m(c | x_m)^b_m``, (B, C), over the M' modalities who are there.

    With b = 1 it is the exact posterior if the modalities are independent given the class, and every p_m is exact and
    has the prior pi. Each p_m holds the prior once, and all but one of them are divided out; a missing modality takes
    one prior power with it. Correlated modalities count the same evidence twice: the product is then too sure.

    Parameters
    ----------
    probabilities, present
        See `graphfuse.fusion.output.contract.enter`, for the errors too. Probabilities below 1e-6 are taken as 1e-6.
    prior : tensor or sequence (C,) or None
        pi, class shares of the training subjects; above 0, divided by their sum. None: equal.
    exponents : tensor or sequence (M,) or None
        b, at least 0, that calibrate the models (below 1: too sure of themselves). None: 1.

    References
    ----------
    Kittler et al. (1998). On combining classifiers. IEEE TPAMI 20:226-239 (product rule, eq. 7).
    """
    p, mask = enter(probabilities, present)
    b = mask.to(p) if exponents is None else by_modality("exponents", exponents, p, mask)
    log_prior = _log_prior(prior, p)
    powers = 1 - mask.sum(1, keepdim=True)  # (B, 1)
    return (powers * log_prior + (b[..., None] * safe_log(p)).sum(1)).softmax(1)


def _log_prior(prior: Tensor | Sequence[float] | None, p: Tensor) -> Tensor:
    prior = torch.ones(p.shape[2]) if prior is None else prior
    prior = torch.as_tensor(prior, dtype=p.dtype, device=p.device)
    check_finite("prior", check_shape("prior", prior, (p.shape[2],)))
    if bool((prior <= 0).any()):
        raise InvalidOption(f"prior must be above 0 for every class; got {prior.tolist()}. Leave empty classes out.")
    return (prior / prior.sum()).log()
