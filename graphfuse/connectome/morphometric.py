"""Morphometric similarity: how alike two regions of one brain are in their measures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_option, check_shape
from graphfuse.errors import InvalidOption, NonFinite, UnusableRegion

MINIMUM_MEASURES = 5  # a correlation over fewer numbers is noise
CHUNK_NUMBERS = 2**22  # entries of the matrices that are worked on at once


def morphometric_similarity(measures: Tensor | np.ndarray, kind: str = "auto", usable=None) -> Tensor:
    """Similarity of every pair of regions in their z-scored measures, within each subject.

    Each measure is z-scored over the subject's usable regions (a measure without spread becomes 0), then
    ``correlation``: Pearson's r of two regions over the M measures, 0 for a region whose z-scores are all equal;
    ``gaussian``: ``exp(-d^2 / (2 sigma^2))``, d the Euclidean distance and sigma its mean over the subject's pairs.
    Each subject is worked on alone and in float64; nothing is fitted.

    Parameters
    ----------
    measures : array (B, R, M)
        For example thickness [mm], area [mm^2] and volume [mm^3] of each region.
    kind : str
        A key of `SIMILARITIES`, or ``"auto"``: correlation from 5 measures on, else gaussian.
    usable : array (B, R) bool or None
        Regions to use; the others influence nothing. None: all.

    Returns
    -------
    Tensor (B, R, R) float32
        The diagonal is 1; an unusable region has 0 elsewhere.

    Raises
    ------
    InvalidOption
        A correlation was asked of fewer than 5 measures.
    NonFinite, ShapeMismatch, UnusableRegion

    References
    ----------
    Seidlitz et al. (2018), Morphometric similarity networks detect microscale cortical organization and predict
    inter-individual cognitive variation, Neuron 97 (the correlation; the kernel for few measures is ours).
    """
    measures = torch.as_tensor(measures)
    check_shape("measures", measures, (None, None, None))
    similarity = SIMILARITIES[_choose(kind, measures.shape[2])]
    usable = _usable_mask(usable, measures)
    result = measures.new_empty(*measures.shape[:2], measures.shape[1], dtype=torch.float32)
    size = max(1, CHUNK_NUMBERS // max(1, measures.shape[1] ** 2))
    for rows in torch.arange(len(measures), device=measures.device).split(size):
        result[rows] = _masked(similarity(_zscore(measures[rows], usable[rows]), usable[rows]), usable[rows])
    return result


def correlation_similarity(z: Tensor, usable: Tensor) -> Tensor:
    """Pearson correlation of regions over measures, (B, R, R), from z (B, R, M)."""
    del usable  # each pair is on its own
    z = z - z.mean(2, keepdim=True)
    norm = z.norm(dim=2, keepdim=True)
    z = torch.where(norm > 1e-12, z / norm.clamp_min(1e-12), 0)  # z-scores are of order 1: below is rounding
    return (z @ z.mT).clamp(-1, 1)


def gaussian_similarity(z: Tensor, usable: Tensor) -> Tensor:
    """Gaussian kernel of the distances between regions, (B, R, R), from z (B, R, M)."""
    distance = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    pairs = usable[:, :, None] & usable[:, None, :]
    pairs = pairs & ~torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
    sigma = (distance * pairs).sum((1, 2)) / pairs.sum((1, 2)).clamp_min(1)
    sigma = torch.where(sigma > 0, sigma, 1)[:, None, None]  # regions that are all alike: distance 0, similarity 1
    return torch.exp(-((distance / sigma).square()) / 2)


SIMILARITIES = {"correlation": correlation_similarity, "gaussian": gaussian_similarity}


def _choose(kind: str, n_measures: int) -> str:
    check_option("kind", kind, ("auto", *SIMILARITIES))
    enough = n_measures >= MINIMUM_MEASURES
    if kind == "correlation" and not enough:
        raise InvalidOption(
            f"kind 'correlation' needs {MINIMUM_MEASURES} measures or more; got {n_measures}. Use 'gaussian' or 'auto'."
        )
    return ("correlation" if enough else "gaussian") if kind == "auto" else kind


def _usable_mask(usable, measures: Tensor) -> Tensor:
    usable = torch.ones(measures.shape[:2], dtype=torch.bool) if usable is None else torch.as_tensor(usable)
    usable = check_shape("usable", usable, tuple(measures.shape[:2])).to(measures.device).bool()
    infinite = ~measures.isfinite().all(2) & usable
    if infinite.any():
        row, region = infinite.nonzero()[0].tolist()
        raise NonFinite(f"measures[{row}] must be finite; region {region} is not. Mark it in `usable` as False.")
    if not usable.any(1).all():
        row = int((~usable.any(1)).nonzero()[0])
        raise UnusableRegion(f"usable[{row}] marks no region as usable; leave the subject out.")
    return usable


def _zscore(measures: Tensor, usable: Tensor) -> Tensor:
    """Z-score each measure over usable regions, (B, R, M) float64; 0 where there is no spread or no region."""
    keep = usable[:, :, None]
    x = measures.double()
    low = torch.where(keep, x, torch.inf).amin(1, keepdim=True)
    span = torch.where(keep, x, -torch.inf).amax(1, keepdim=True) - low
    x = torch.where(keep, (x - low) / torch.where(span > 0, span, 1), 0)  # in [0, 1]: no overflow whatever the unit
    count = keep.sum(1, keepdim=True)
    x = torch.where(keep, x - x.sum(1, keepdim=True) / count, 0)
    deviation = (x.square().sum(1, keepdim=True) / count).sqrt()
    return torch.where(span > 0, x / torch.where(deviation > 0, deviation, 1), 0)


def _masked(similarity: Tensor, usable: Tensor) -> Tensor:
    similarity = torch.where(usable[:, :, None] & usable[:, None, :], similarity, 0)
    similarity.diagonal(dim1=1, dim2=2).fill_(1)
    return similarity.float()
