"""Cross-entropy with labels that are distributions."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import LIMIT, check_finite


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return labels (B,) int as distributions (B, C) float, 1 at each person's class.

    Raises `InvalidOption` for a label outside 0 .. C - 1.
    """
    check_shape("labels", labels, (None,))
    if labels.is_floating_point() or (len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes):
        raise InvalidOption(f"labels must be whole numbers in 0 .. {classes - 1}; code the classes so.")
    return torch.nn.functional.one_hot(labels.long(), classes).float()


def check_logits(logits: Tensor) -> Tensor:
    """Return logits (B, C) if they are finite and of two axes."""
    return check_finite("logits", check_shape("logits", logits, (None, None)), LIMIT)


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return ``-sum_c t_c log softmax(logits)_c`` of each person, (B,).

    Parameters
    ----------
    logits : tensor (B, C)
    target : tensor (B, C)
        Rows of at least 0 that sum to 1.

    Raises
    ------
    InvalidOption
        A target that is no distribution.
    NonFinite, ShapeMismatch
    """
    check_logits(logits)
    check_finite("target", check_shape("target", target, tuple(logits.shape)))
    if bool((target < 0).any()) or bool(((target.sum(1) - 1).abs() > 1e-4).any()):
        raise InvalidOption("target must have rows of at least 0 that sum to 1; got others. Use one_hot or a softmax.")
    return -(target.to(logits) * logits.log_softmax(1)).sum(1)
