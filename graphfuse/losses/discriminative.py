"""Classes that are tight and lie apart, within one modality."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.losses.contract import leaving, nothing, rows_present


def discriminative_loss(z: Tensor, labels: Tensor, present: Tensor | None = None, margin: float = 1.0) -> Tensor:
    """Return ``mean_i | z_i - c_(y_i) |^2 + mean_(a != b) max(0, m - | c_a - c_b |)^2``: tight classes, far apart.

    c are the means of the classes in the batch; a class without people there does not take part. The source names a
    discriminative loss and gives no formula; this is ours.

    Parameters
    ----------
    z : tensor (B, D)
        Embeddings in one modality.
    labels : int tensor (B,)
    present : bool tensor (B,) or None
        Who has the modality; None means everybody.
    margin : float
        m >= 0, in units of z.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Wen et al. (2016). A discriminative feature learning approach for deep face recognition. ECCV (the first term).
    """
    check_range("margin", margin, 0)
    check_shape("labels", labels, (len(z),))
    rows = rows_present("z", check_shape("z", z, (None, None)), present)
    if not len(rows):
        return nothing(rows)
    labels = labels if present is None else labels[present]
    member = (labels[:, None] == labels.unique()).to(rows)  # (n, C')
    centres = member.T @ rows / member.sum(0)[:, None]
    tight = (rows - member @ centres).square().sum(1).mean()
    return leaving("the discriminative loss", tight + _crowding(centres, margin))


def _crowding(centres: Tensor, margin: float) -> Tensor:
    """Return the mean over pairs of centres (C', D) of ``max(0, m - distance)^2``; 0 for one class."""
    first, second = torch.triu_indices(len(centres), len(centres), 1, device=centres.device)
    if not len(first):
        return nothing(centres)
    distance = torch.linalg.vector_norm(centres[first] - centres[second], dim=1)
    return (margin - distance).clamp(min=0).square().mean()
