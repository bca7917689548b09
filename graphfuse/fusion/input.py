"""Input fusion: modalities become one input before any encoder reads them.

Volumes (B, X, Y, Z) must lie on one grid, and node features (G, R, F) on one set of regions; nothing is resampled or
padded here. Names are sorted, and not a bit of a missing modality passes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.errors import AtlasMismatch, InvalidOption, MissingModality, ShapeMismatch
from graphfuse.kernels.finite import LIMIT, check_finite


def channel_stack(
    volumes: Mapping[str, Tensor],
    present: Mapping[str, Tensor],
    means: Mapping[str, Tensor] | None = None,
    mask_channels: bool = True,
) -> Tensor:
    """Return the volumes as channels, ``x = [x_1, .., x_M]``, then M channels that are 1 where one is there, else 0.

    A missing volume is zeros, or the mean image of its modality.

    Parameters
    ----------
    volumes : dict of tensor (B, X, Y, Z)
        Registered to one grid.
    present : dict of bool tensor (B,)
    means : dict of tensor (X, Y, Z) or None
        Mean image of each modality over the training subjects.
    mask_channels : bool
        Whether the M channels of presence come.

    Returns
    -------
    Tensor (B, 2 M, X, Y, Z), or (B, M, X, Y, Z) without the channels of presence

    Raises
    ------
    MissingModality, NonFinite, ShapeMismatch
    """
    stacked, mask = _stack_volumes(volumes, present)
    if means is not None:
        stacked = torch.where(_wide(mask), stacked, _stack_means(means, volumes).to(stacked))
    if not mask_channels:
        return stacked
    return torch.cat([stacked, _wide(mask).to(stacked).expand_as(stacked)], 1)


def composite(
    volumes: Mapping[str, Tensor], present: Mapping[str, Tensor], weights: Mapping[str, float] | None = None
) -> Tensor:
    """Return the composite image ``x = sum_{m in P} w_m x_m / sum_{m in P} w_m`` of the modalities P that one has.

    Parameters
    ----------
    volumes : dict of tensor (B, X, Y, Z)
        Registered to one grid.
    present : dict of bool tensor (B,)
        A missing volume is left out of both sums.
    weights : dict of float or None
        w_m in 1e-6 .. 1e6; None = all equal.

    Returns
    -------
    Tensor (B, X, Y, Z)

    Raises
    ------
    InvalidOption, MissingModality, NonFinite, ShapeMismatch
    """
    stacked, mask = _stack_volumes(volumes, present)
    weights = dict.fromkeys(volumes, 1.0) if weights is None else weights
    _check_names("weights", weights, volumes)
    chosen = [check_range(f"weights[{name!r}]", weights[name], 1e-6, 1e6) for name in sorted(volumes)]
    share = mask * stacked.new_tensor(chosen)  # (B, M)
    return (_wide(share / share.sum(1, keepdim=True)) * stacked).sum(1)


def masked_composite(volume: Tensor, tissue: Tensor, present: Tensor, threshold: float = 0.5) -> Tensor:
    """Return one modality inside the tissue that another shows, ``x = 1[p > t] * v``: PET in grey matter, say.

    Parameters
    ----------
    volume : tensor (B, X, Y, Z)
        v.
    tissue : tensor (B, X, Y, Z)
        Probability p of the tissue, in 0 .. 1.
    present : bool tensor (B,)
        Who has both; the others get zeros.
    threshold : float
        t; no source gives a number, the default is ours.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch
    """
    check_range("threshold", threshold, 0, 1)
    check_shape("volume", volume, (None,) * 4)
    check_shape("tissue", tissue, tuple(volume.shape))
    there = check_shape("present", present, (len(volume),)).bool()[:, None, None, None]
    volume = check_finite("volume of those who have both", torch.where(there, volume, 0.0), LIMIT)
    tissue = check_finite("tissue of those who have both", torch.where(there, tissue, 0.0), LIMIT)
    return torch.where(tissue > threshold, volume, 0.0)


def stack_node_features(features: Mapping[str, Tensor], present: Mapping[str, Tensor], presence: bool = True) -> Tensor:
    """Return the node features of all modalities side by side, ``x_r = [x_1r || .. || x_Mr || presence]``.

    Parameters
    ----------
    features : dict of tensor (G, R, F_m)
        On one set of regions in one order.
    present : dict of bool tensor (G,)
        A missing modality is zeros.
    presence : bool
        Whether M features come that are 1 at every region where a modality is there, else 0.

    Returns
    -------
    Tensor (G, R, sum F_m + M), or (G, R, sum F_m) without the features of presence

    Raises
    ------
    AtlasMismatch
        The modalities have different numbers of regions.
    MissingModality, NonFinite, ShapeMismatch
    """
    regions = {name: features[name].shape[1:2] for name in sorted(features)}
    if len(set(regions.values())) > 1:
        counts = ", ".join(f"{name!r} {shape[0] if shape else 'none'}" for name, shape in regions.items())
        raise AtlasMismatch(
            f"Node features need one set of regions; got {counts}. Give every modality the same atlas, or fuse their "
            "embeddings instead."
        )
    values, mask = _enter("features", features, present, 3)
    if presence:
        values.append(mask[:, None].to(values[0]).expand(-1, values[0].shape[1], -1))  # (G, R, M)
    return torch.cat(values, -1)


def _stack_volumes(volumes: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the volumes (B, M, X, Y, Z) by sorted name, zeros where one is missing, and the mask (B, M)."""
    grids = {tuple(volume.shape[1:]) for volume in volumes.values()}
    if len(grids) > 1:
        raise ShapeMismatch(f"Volumes must lie on one grid; got grids {sorted(grids)}. Register and resample them.")
    values, mask = _enter("volumes", volumes, present, 4)
    return torch.stack(values, 1), mask


def _stack_means(means: Mapping[str, Tensor], volumes: Mapping[str, Tensor]) -> Tensor:
    """Return the mean images (M, X, Y, Z) by sorted name."""
    _check_names("means", means, volumes)
    grid = tuple(next(iter(volumes.values())).shape[1:])
    images = [check_shape(f"means[{name!r}]", means[name], grid) for name in sorted(means)]
    return check_finite("means", torch.stack(images), LIMIT)


def _enter(
    what: str, inputs: Mapping[str, Tensor], present: Mapping[str, Tensor], dimensions: int
) -> tuple[list[Tensor], Tensor]:
    """Return the inputs by sorted name, zeros where one is missing, and the mask (B, M); refuse what cannot be."""
    names = sorted(inputs)
    if not names or sorted(present) != names:
        raise MissingModality(
            f"{what} and present must name the same modalities, one at least; got {names} and {sorted(present)}. Give "
            "a modality that nobody has as zeros, present False."
        )
    batch = len(inputs[names[0]])
    mask = torch.stack([check_shape(f"present[{name!r}]", present[name], (batch,)).bool() for name in names], 1)
    if absent := int((~mask.any(1)).sum()):
        raise MissingModality(
            f"Every subject needs one modality at least; {absent} of {batch} have none of {names}. Leave them out."
        )
    values = []
    for m, name in enumerate(names):
        x = check_shape(f"{what}[{name!r}]", inputs[name], (batch, *(None,) * (dimensions - 1)))
        there = mask[:, m].view(-1, *(1,) * (dimensions - 1))
        values.append(check_finite(f"{what}[{name!r}] of those who have it", torch.where(there, x, 0.0), LIMIT))
    return values, mask


def _check_names(what: str, given: Mapping, wanted: Mapping) -> None:
    if sorted(given) != sorted(wanted):
        raise InvalidOption(f"{what} must name the modalities {sorted(wanted)}; got {sorted(given)}.")


def _wide(x: Tensor) -> Tensor:
    """(B, M) -> (B, M, 1, 1, 1)."""
    return x[:, :, None, None, None]
