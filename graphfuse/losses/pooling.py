"""Losses on the scores by which a pooling chooses nodes, BrainGNN's three."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.losses.contract import as_mask, leaving, nodes_or_all, nothing

FLOOR = 1e-10  # under a logarithm


def unit_loss(weight: Tensor) -> Tensor:
    """Return ``(|w| - 1)^2`` of a scoring vector, so that a score is a projection.

    Parameters
    ----------
    weight : tensor (D,) or (1, D)

    References
    ----------
    Li et al. (2021). BrainGNN: interpretable brain graph neural network for fMRI analysis. Med Image Anal 74.
    """
    return leaving("the unit loss", (torch.linalg.vector_norm(check_finite("weight", weight, LIMIT)) - 1).square())


def top_k_loss(score: Tensor, ratio: float = 0.5, nodes: Tensor | None = None) -> Tensor:
    """Return ``-mean log s`` over the kept nodes ``- mean log(1 - s)`` over the others: it pushes their scores apart.

    Kept are the ``ceil(ratio R)`` highest of each graph; means are over all graphs.

    Parameters
    ----------
    score : tensor (G, R)
        s of every node, from a sigmoid: ``TopKPooling(..., nonlinearity="sigmoid").scores(x)``. The released code takes
        the sigmoid up to three times; the pooling takes it once, and this loss does not.
    ratio : float
        In (0, 1].
    nodes : bool tensor (G, R) or None
        Usable nodes; the others are neither kept nor dropped. None means all.

    Raises
    ------
    InvalidOption
        A ratio or a score out of range.
    NonFinite, ShapeMismatch

    References
    ----------
    Li et al. (2021). BrainGNN. Med Image Anal 74 (TPK).
    """
    check_range("ratio", ratio, 0, 1, open_low=True)
    score, nodes = _shares(score, nodes)
    order = score.detach().masked_fill(~nodes, -torch.inf).argsort(dim=1, descending=True, stable=True)
    kept = order.argsort(dim=1) < ceil(round(ratio * score.shape[1], 9))  # the place of each node in the order
    return _mean_where(_minus_log(score), kept & nodes) + _mean_where(_minus_log(1 - score), ~kept & nodes)


def group_consistency(
    score: Tensor, labels: Tensor, nodes: Tensor | None = None, present: Tensor | None = None
) -> Tensor:
    """Return ``sum_c tr(S_c^T L_c S_c) / n_c^2``: people of a class shall choose alike.

    L_c is the Laplacian of the complete graph over the n_c people of class c, so that the term equals the variance
    within the class (over n_c), summed over regions. Scores must be region by region, as those of a first pooling are.

    Parameters
    ----------
    score : tensor (B, R)
        S, from a sigmoid, see `top_k_loss`.
    labels : int tensor (B,)
    nodes : bool tensor (B, R) or None
        Usable regions; a region's variance is over those who have it. None means all.
    present : bool tensor (B,) or None
        Who has the modality; None means everybody.

    Raises
    ------
    NonFinite, ShapeMismatch, InvalidOption

    References
    ----------
    Li et al. (2021). BrainGNN. Med Image Anal 74 (GLC).
    """
    nodes = nodes_or_all(check_shape("score", score, (None, None)), nodes)
    check_shape("labels", labels, (len(score),))
    if present is not None:
        present = as_mask("the mask of people", present, len(score))
        score, nodes, labels = score[present], nodes[present], labels[present]
    score, nodes = _shares(score, nodes)
    classes = [labels == label for label in labels.unique()]
    return sum((_variance(score[own], nodes[own]) for own in classes), nothing(score))


def _shares(score: Tensor, nodes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return scores (G, R) that lie in 0 .. 1, 0 at unusable nodes, and which nodes are usable."""
    nodes = nodes_or_all(check_shape("score", score, (None, None)), nodes)
    score = check_finite("score of usable nodes", torch.where(nodes, score, 0))
    if bool(((score < 0) | (score > 1)).any()):
        raise InvalidOption("score must lie in [0, 1]; got others. Take the scores of a pooling with a sigmoid.")
    return score, nodes


def _minus_log(share: Tensor) -> Tensor:
    return -share.clamp(min=FLOOR).log()  # a sigmoid of float32 is 1 from 17 on


def _variance(share: Tensor, nodes: Tensor) -> Tensor:
    """Return the sum over regions of the variance over the people who have the region, () of (n, R)."""
    count = nodes.sum(0).clamp(min=1)
    mean = torch.where(nodes, share, 0).sum(0) / count
    return (torch.where(nodes, share - mean, 0).square().sum(0) / count).sum()


def _mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the values where the mask is True, 0 if nowhere."""
    return torch.where(mask, values, 0).sum() / mask.sum().clamp(min=1)
