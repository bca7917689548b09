"""Distribution similarity: how alike two regions of one brain are in the values that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse._memory import check_memory
from graphfuse.connectome.pairwise import mask_pairs
from graphfuse.connectome.series import usable_mask
from graphfuse.connectome.shares import share_out
from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch, UnusableRegion

FLOOR = 1e-12  # a probability of 0 has no logarithm: no bin has less than this
CHUNK_NUMBERS = 2**22  # numbers that are worked on at once
LIMIT = 1e150  # of values: their squares stay finite


class Densities(NamedTuple):
    """What `region_densities` returns.

    Attributes
    ----------
    values : Tensor (B, R, K) float64
        Density of each region on the subject's grid [1 / unit of the values]; 0 for an unusable region.
    grid : Tensor (B, K) float64
        The points, equally far apart [unit of the values].
    """

    values: Tensor
    grid: Tensor


def distribution_similarity(
    samples: Sequence[Sequence], points: int = 128, floor: float = FLOOR, *, usable=None, device="cpu"
) -> Tensor:
    """Kullback-Leibler similarity of every pair of regions in the values that each holds, within each subject.

    ``KLS_ij = exp(-(KL(p_i || p_j) + KL(p_j || p_i)))`` of the densities that `region_densities` estimates. Each
    subject is worked on alone; neither the unit of his values nor their zero matters.

    Parameters
    ----------
    samples : sequence over B subjects of sequences over R regions of (n,) arrays
        For example the grey-matter volumes of a region's voxels, or the thickness [mm] of its vertices.
    points : int
        Points of the grid.
    floor : float
        Least probability of a point, as for `density_similarity`.
    usable : array (B, R) bool or None
        Regions to use; the samples of the others are never looked at. None: all.
    device
        Where to work.

    Returns
    -------
    Tensor (B, R, R) float32
        Between 0 and 1; the diagonal is 1, an unusable region has 0 elsewhere.

    Raises
    ------
    UnusableRegion
        A region that counts as usable holds fewer than 2 different values.
    NonFinite, ShapeMismatch, InvalidOption, MemoryBudget

    References
    ----------
    Kong et al. (2015), Mapping individual brain networks using statistical similarity in regional morphology from MRI,
    PLoS ONE 10 (the similarity). Wang et al. (2016), Single-subject morphological brain networks, Brain Behav 6 (128
    points). FOUND: GCN-SZ (Chen et al. 2023, Front Neurosci 17) has a KLS of grey-matter densities as edges, diagonal
    1. INFERRED: its formula, for the code reads ready files; the bandwidth, the ends of the grid and the floor.
    """
    densities = region_densities(samples, points, usable=usable, device=device)
    return density_similarity(densities.values, floor, usable=usable)


def density_similarity(densities: Tensor | np.ndarray, floor: float = FLOOR, *, usable=None) -> Tensor:
    """Kullback-Leibler similarity of ready densities on a common grid: ``exp(-(KL(p_i || p_j) + KL(p_j || p_i)))``.

    Densities are scaled to sum to 1, raised to `floor` where they are less, and scaled again; then
    ``KL(p_i || p_j) = sum_k p_ik log(p_ik / p_jk)`` [nats], all pairs by one product of p and log p, in float64.

    Parameters
    ----------
    densities : array (B, R, K)
        Densities, probabilities or counts at K equally distant points (or any K common bins).
    floor : float
        Least probability of a point, in (0, 1 / K]; a region that has nothing where another has all differs from it by
        up to ``-2 log(floor)``.
    usable : array (B, R) bool or None
        Regions to use; the others influence nothing. None: all.

    Returns
    -------
    Tensor (B, R, R) float32
        As for `distribution_similarity`.

    Raises
    ------
    UnusableRegion
        A region that counts as usable has density 0 everywhere, or a subject has no usable region.
    InvalidOption
        A negative density, or a floor outside its range.
    NonFinite, ShapeMismatch, MemoryBudget
    """
    densities = torch.as_tensor(densities)
    n_subjects, n_regions, n_points = check_shape("densities", densities, (None, None, None)).shape
    check_range("floor", floor, 0, 1 / max(n_points, 1), open_low=True)
    keep = usable_mask(usable, n_subjects, n_regions).to(densities.device)
    _check_densities(densities, keep)
    _check_room(n_subjects, n_regions)
    result = densities.new_empty(n_subjects, n_regions, n_regions, dtype=torch.float32)
    size = max(1, CHUNK_NUMBERS // max(1, n_regions * (n_regions + n_points)))
    for rows in torch.arange(n_subjects, device=densities.device).split(size):
        p = _probabilities(densities[rows].double(), keep[rows], floor)
        result[rows] = mask_pairs(torch.exp(-_divergence(p)), keep[rows], 1.0).float()
    return result


def region_densities(samples: Sequence[Sequence], points: int = 128, *, usable=None, device="cpu") -> Densities:
    """Gaussian kernel density of each region's values, on one grid for all regions of a subject.

    ``p_i(g) = mean_s N(g; s, h_i^2)``, as ``scipy.stats.gaussian_kde``: Scott's ``h_i = sd_i n_i^(-1/5)``, but no less
    than the distance of two points of the grid, so that no value falls between them. The grid covers the subject's
    usable regions, and three of the widest h beyond.

    Arguments and errors are those of `distribution_similarity`.
    """
    check_range("points", points, 2)
    n_regions = _check_samples(samples)
    keep = usable_mask(usable, len(samples), n_regions)
    values = torch.zeros(len(samples), n_regions, points, dtype=torch.float64, device=device)
    grid = values.new_empty(len(samples), points)

    def work(i: int) -> None:
        arrays = {r: _as_sample(samples[i][r], i, r, device) for r in keep[i].nonzero()[:, 0].tolist()}
        width = {r: float(x.std()) * len(x) ** -0.2 for r, x in arrays.items()}
        margin = 3 * max(width.values())
        low, high = min(float(x.min()) for x in arrays.values()), max(float(x.max()) for x in arrays.values())
        grid[i] = torch.linspace(low - margin, high + margin, points, dtype=torch.float64)
        step = (high - low + 2 * margin) / (points - 1)
        for r, x in arrays.items():
            values[i, r] = _kernel_density(x, grid[i], max(width[r], step))

    share_out(work, range(len(samples)), device=device)
    return Densities(values, grid)


def _kernel_density(x: Tensor, grid: Tensor, width: float) -> Tensor:
    total = torch.zeros_like(grid)
    for part in x.split(max(1, CHUNK_NUMBERS // len(grid))):
        total += (part[:, None] - grid).div_(width).square_().mul_(-0.5).exp_().sum(0)
    return total / (len(x) * width * (2 * torch.pi) ** 0.5)


def _probabilities(densities: Tensor, usable: Tensor, floor: float) -> Tensor:
    densities = torch.where(usable[:, :, None], densities, 1)
    p = densities / densities.amax(2, keepdim=True)  # first, so that the sum stays finite
    p = (p / p.sum(2, keepdim=True)).clamp_min(floor)
    return p / p.sum(2, keepdim=True)


def _divergence(p: Tensor) -> Tensor:
    """``KL(p_i || p_j) + KL(p_j || p_i)`` [nats] of positive p (b, R, K), as (b, R, R)."""
    cross = p @ p.log().mT  # sum_k p_ik log p_jk
    own = cross.diagonal(dim1=1, dim2=2)
    return (own[:, :, None] + own[:, None, :] - (cross + cross.mT)).clamp_min(0)


def _as_sample(x, subject: int, region: int, device) -> Tensor:
    x = torch.as_tensor(x).to(device=device, dtype=torch.float64)
    name = f"samples[{subject}], region {region}"
    if x.ndim != 1:
        raise ShapeMismatch(f"{name} must be an array (n,); got shape {tuple(x.shape)}.")
    if not (x.abs() <= LIMIT).all():
        raise NonFinite(f"{name} must be finite and at most {LIMIT:g}. Drop these values, or mark it in `usable`.")
    if len(x) < 2 or x.min() == x.max():
        raise UnusableRegion(f"{name} holds fewer than 2 different values. Mark it in `usable` as False.")
    return x


def _check_samples(samples: Sequence[Sequence]) -> int:
    """The number of regions that every subject has."""
    counts = {len(regions) for regions in samples}
    if len(counts) != 1 or counts == {0}:
        raise ShapeMismatch(
            f"samples must list the same regions, one or more, for each subject; got {sorted(counts)} regions."
        )
    return counts.pop()


def _check_densities(densities: Tensor, usable: Tensor) -> None:
    of_use = torch.where(usable[:, :, None], densities, 1)
    if not of_use.isfinite().all():
        raise NonFinite("densities must be finite in usable regions; mark the others in `usable` as False.")
    if (of_use < 0).any():
        raise InvalidOption("densities must not be negative; one is. Pass densities, probabilities or counts.")
    empty = ~(of_use > 0).any(2)
    if empty.any():
        row, region = empty.nonzero()[0].tolist()
        raise UnusableRegion(f"densities[{row}], region {region} is 0 everywhere. Mark it in `usable` as False.")


def _check_room(n_subjects: int, n_regions: int) -> None:
    check_memory(
        f"The similarity of {n_subjects} subjects and {n_regions} regions",
        4 * n_subjects * n_regions**2,
        "Use a coarser atlas, or fewer subjects at a time.",
    )
