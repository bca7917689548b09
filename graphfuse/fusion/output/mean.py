"""The mean opinion, of probabilities or of logits."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_option
from graphfuse.fusion.output.contract import enter, safe_log, shares


def _arithmetic(p: Tensor, share: Tensor) -> Tensor:
    return (share[..., None] * p).sum(1)


def _geometric(p: Tensor, share: Tensor) -> Tensor:
    return (share[..., None] * safe_log(p)).sum(1).softmax(1)


SPACES = {"logit": _geometric, "probability": _arithmetic}  # (p (B, M, C), shares (B, M)) -> (B, C)


def mean(probabilities: Tensor, present: Tensor, space: str = "probability") -> Tensor:
    """Return ``mean_m p_m`` over who is there, (B, C); in logit space ``softmax(mean_m log p_m)``.

    The mean of logits is the geometric mean of probabilities, renormalised (probabilities below 1e-6 are taken as
    1e-6): one model that rules a class out nearly rules it out for all.

    Parameters
    ----------
    probabilities, present
        See `graphfuse.fusion.output.contract.enter`, for the errors too.
    space : {"logit", "probability"}

    References
    ----------
    Kittler et al. (1998). On combining classifiers. IEEE TPAMI 20:226-239 (mean rule).
    """
    check_option("space", space, SPACES)
    p, mask = enter(probabilities, present)
    return SPACES[space](p, shares(torch.ones_like(p[..., 0]), mask))
