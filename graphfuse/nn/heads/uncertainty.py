"""How sure a prediction is, and why not."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.special import entr

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import check_finite


class Uncertainty(NamedTuple):
    """A prediction and its uncertainty in nats: ``entropy = aleatoric + mutual_information``.

    Parameters
    ----------
    mean : tensor (B, C)
        Mean probabilities.
    entropy : tensor (B,)
        Of the mean, ``H(E p)``: the whole uncertainty.
    aleatoric : tensor (B,)
        Mean entropy, ``E H(p)``: what more training subjects would not remove.
    mutual_information : tensor (B,)
        The difference, at least 0: how far the passes disagree (BALD).
    """

    mean: Tensor
    entropy: Tensor
    aleatoric: Tensor
    mutual_information: Tensor


def decompose(probabilities: Tensor) -> Uncertainty:
    """Return mean and uncertainty of several predictions: passes with dropout, draws of weights, an ensemble.

    Parameters
    ----------
    probabilities : tensor (P, B, C)
        P predictions; rows of at least 0 that sum to 1.

    Raises
    ------
    InvalidOption
        No prediction, or rows that are no distributions.
    NonFinite, ShapeMismatch

    References
    ----------
    Houlsby et al. (2011). Bayesian active learning for classification and preference learning. arXiv 1112.5745.
    """
    check_finite("probabilities", check_shape("probabilities", probabilities, (None, None, None)))
    off = (probabilities.sum(-1) - 1).abs() > 1e-4
    if not len(probabilities) or bool((probabilities < 0).any()) or bool(off.any()):
        raise InvalidOption("probabilities must hold a prediction, rows of at least 0 that sum to 1. Use a softmax.")
    mean = probabilities.mean(0)
    entropy, aleatoric = entr(mean).sum(-1), entr(probabilities).sum(-1).mean(0)
    return Uncertainty(mean, entropy, aleatoric, (entropy - aleatoric).clamp(min=0))
