"""Losses for labels that may be wrong: each gives one number a person, (B,)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import check_finite
from graphfuse.losses.soft_label import check_logits, one_hot


def log_share(logits: Tensor, labels: Tensor) -> Tensor:
    """Return ``log p_y``, the logarithm of the probability of each person's label, (B,)."""
    return (targets(logits, labels) * logits.log_softmax(1)).sum(1)


def targets(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the labels one-hot, (B, C), once logits and labels are checked."""
    check_shape("labels", labels, (len(check_logits(logits)),))
    return one_hot(labels, logits.shape[1]).to(logits)


def generalised_cross_entropy(logits: Tensor, labels: Tensor, q: float = 0.7) -> Tensor:
    """Return ``(1 - p_y^q) / q``, which a wrong label cannot make larger than 1 / q.

    Cross-entropy as q falls to 0, the mean absolute error (halved) at q = 1.

    Parameters
    ----------
    logits : tensor (B, C)
    labels : int tensor (B,)
    q : float
        In (0, 1].

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Zhang and Sabuncu (2018). Generalized cross entropy loss for training deep neural networks with noisy labels.
    NeurIPS.
    """
    check_range("q", q, 0, 1, open_low=True)
    return -torch.expm1(q * log_share(logits, labels)) / q


def symmetric_cross_entropy(
    logits: Tensor, labels: Tensor, forward_weight: float = 0.1, reverse_weight: float = 1.0, log_zero: float = -4.0
) -> Tensor:
    """Return ``a CE(y, p) + b CE(p, y)``, with ``log 0 = A``: the second term is ``-A (1 - p_y)``.

    Parameters
    ----------
    logits : tensor (B, C)
    labels : int tensor (B,)
    forward_weight, reverse_weight : float
        a and b, at least 0.
    log_zero : float
        A < 0.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Wang et al. (2019). Symmetric cross entropy for robust learning with noisy labels. ICCV.
    """
    check_range("forward_weight", forward_weight, 0)
    check_range("reverse_weight", reverse_weight, 0)
    check_range("-log_zero", -log_zero, 0, open_low=True)
    log_p = log_share(logits, labels)
    return -forward_weight * log_p + reverse_weight * log_zero * torch.expm1(log_p)


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.1) -> Tensor:
    """Return the cross-entropy with the target ``(1 - s) onehot(y) + s / C``.

    Parameters
    ----------
    logits : tensor (B, C)
    labels : int tensor (B,)
    smoothing : float
        s, in 0 .. 1.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Szegedy et al. (2016). Rethinking the Inception architecture for computer vision. CVPR.
    """
    check_range("smoothing", smoothing, 0, 1)
    return cross_entropy(logits, targets(logits, labels), label_smoothing=smoothing, reduction="none")


def forward_correction(logits: Tensor, labels: Tensor, transition: Tensor) -> Tensor:
    """Return ``-log (T^T p)_y``: the cross-entropy of what the true classes look like once some labels are flipped.

    Parameters
    ----------
    logits : tensor (B, C)
    labels : int tensor (B,)
        As they were given, flips and all.
    transition : tensor (C, C)
        ``T[a, b]`` is the probability that somebody of true class a is labelled b; rows sum to 1.

    Raises
    ------
    InvalidOption
        Rows of `transition` that are no distributions, or a label that nothing leads to.
    NonFinite, ShapeMismatch

    References
    ----------
    Patrini et al. (2017). Making deep neural networks robust to label noise: a loss correction approach. CVPR.
    """
    given = targets(logits, labels)
    check_finite("transition", check_shape("transition", transition, (logits.shape[1],) * 2))
    distributions = (transition >= 0).all() & ((transition.sum(1) - 1).abs() < 1e-4).all()
    if not bool(distributions & (transition.sum(0) > 0).all()):
        raise InvalidOption(
            "transition must have rows that sum to 1 and no column of zeros; got another. Divide its rows."
        )
    to_label = given @ transition.to(logits).T  # (B, C): the column T[:, y] of each
    return -torch.logsumexp(logits.log_softmax(1) + to_label.log(), 1)


# name -> loss of (logits, labels); `forward_correction` needs a matrix besides
ROBUST_LOSSES = {
    "generalised": generalised_cross_entropy,
    "smoothed": smoothed_cross_entropy,
    "symmetric": symmetric_cross_entropy,
}
