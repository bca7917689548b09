"""Contrastive losses: an embedding shall be nearer to its own kind than to the others of the batch."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.losses.contract import nothing, rows_alike, rows_present, unit_rows


def contrast(anchors: Tensor, others: Tensor, positive: Tensor, candidate: Tensor | None, temperature: float) -> Tensor:
    """Return ``mean_i -1/|P(i)| sum_{p in P(i)} log( e^(s_ip / tau) / sum_{a in A(i)} e^(s_ia / tau) )``, s the cosine.

    Parameters
    ----------
    anchors : tensor (n, D)
    others : tensor (m, D)
    positive : bool tensor (n, m)
        P; an anchor without a positive does not count.
    candidate : bool tensor (n, m) or None
        A, which holds P; None means all.
    temperature : float
        tau > 0.
    """
    check_range("temperature", temperature, 0, open_low=True)
    anchored = positive.any(1)
    if not bool(anchored.any()):
        return nothing(anchors, others)
    score = unit_rows(anchors) @ unit_rows(others).T / temperature  # (n, m)
    if candidate is not None:
        score = score.masked_fill(~candidate, torch.finfo(score.dtype).min)
    log_share = torch.where(positive, score.log_softmax(1), 0).sum(1)
    return -(log_share[anchored] / positive.sum(1)[anchored]).mean()


def info_nce(first: Tensor, second: Tensor, both: Tensor | None = None, temperature: float = 0.07) -> Tensor:
    """Return InfoNCE between the two modalities of each person, the mean of both directions.

    `contrast` with ``P(i) = {i}``: the others of the batch are the negatives.

    Parameters
    ----------
    first, second : tensor (B, D)
    both : bool tensor (B,) or None
        Who has both modalities; nobody else counts. None means everybody.
    temperature : float
        tau > 0.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    van den Oord, Li and Vinyals (2018). Representation learning with contrastive predictive coding. arXiv 1807.03748.
    """
    first, second = rows_alike(first, second, both)
    own = torch.eye(len(first), dtype=torch.bool, device=first.device)
    return (contrast(first, second, own, None, temperature) + contrast(second, first, own, None, temperature)) / 2


def category_contrast(
    first: Tensor,
    second: Tensor,
    labels: Tensor,
    first_present: Tensor | None = None,
    second_present: Tensor | None = None,
    temperature: float = 0.07,
) -> Tensor:
    """Return contrast across modalities by class: P(i) are the people of i's class in the other modality.

    The mean of both directions. Positives by class need no pairs, so a person who has one modality still counts in it.
    The source names category-constrained contrastive alignment and gives no formula; this is our reading.

    Parameters
    ----------
    first, second : tensor (B, D)
    labels : int tensor (B,)
    first_present, second_present : bool tensor (B,) or None
        Who has each modality; None means everybody.
    temperature : float
        tau > 0.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch
    """
    check_shape("second", second, tuple(first.shape))
    check_shape("labels", labels, (len(first),))
    left, right = rows_present("first", first, first_present), rows_present("second", second, second_present)
    left_labels = labels if first_present is None else labels[first_present]
    right_labels = labels if second_present is None else labels[second_present]
    same = left_labels[:, None] == right_labels
    return (contrast(left, right, same, None, temperature) + contrast(right, left, same.T, None, temperature)) / 2


def supervised_contrast(z: Tensor, labels: Tensor, present: Tensor | None = None, temperature: float = 0.07) -> Tensor:
    """Return contrast within one modality by class: P(i) are the others of i's class, A(i) all the others.

    Parameters
    ----------
    z : tensor (B, D)
    labels : int tensor (B,)
    present : bool tensor (B,) or None
        Who has the modality; None means everybody.
    temperature : float
        tau > 0.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Khosla et al. (2020). Supervised contrastive learning. NeurIPS (the sum outside the logarithm, its eq. 2).
    """
    check_shape("labels", labels, (len(z),))
    z, labels = rows_present("z", z, present), labels if present is None else labels[present]
    other = ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    return contrast(z, z, (labels[:, None] == labels) & other, other, temperature)
