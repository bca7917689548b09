"""The contract of every fusion of embeddings: ``(embeddings, present) -> (z, weights)``, keys sorted."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import MissingModality
from graphfuse.kernels.finite import LIMIT, check_finite


def enter(
    embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor], in_channels: Mapping[str, int]
) -> tuple[list[Tensor], Tensor]:
    """Check what comes to a fusion, and replace the values of missing modalities by zeros.

    Not a bit of a missing value passes, in the output or in a gradient, be it a NaN.

    Parameters
    ----------
    embeddings : dict of tensor (B, d_m)
    present : dict of bool tensor (B,)
    in_channels : dict of int
        Width d_m of each modality that the fusion was made for.

    Returns
    -------
    values : list of tensor (B, d_m)
        By sorted name.
    mask : bool tensor (B, M)

    Raises
    ------
    MissingModality
        A modality that the fusion was made for did not come, or a subject has none.
    NonFinite
        A NaN, or a number beyond `LIMIT`, of somebody who has the modality.
    ShapeMismatch
    """
    names = sorted(in_channels)
    if sorted(embeddings) != names or sorted(present) != names:
        raise MissingModality(
            f"This fusion needs the modalities {names}; got embeddings of {sorted(embeddings)} and presence of "
            f"{sorted(present)}. Give a modality that nobody has as zeros, present False."
        )
    batch = len(embeddings[names[0]])
    mask = torch.stack([check_shape(f"present[{name!r}]", present[name], (batch,)).bool() for name in names], 1)
    absent = int((~mask.any(1)).sum())
    if absent:
        raise MissingModality(
            f"Every subject needs one modality at least; {absent} of {batch} have none of {names}. Leave them out."
        )
    values = [check_shape(f"embeddings[{name!r}]", embeddings[name], (batch, in_channels[name])) for name in names]
    values = [torch.where(mask[:, m, None], value, 0.0) for m, value in enumerate(values)]
    for name, value in zip(names, values, strict=True):
        check_finite(f"embeddings[{name!r}] of those who have it", value, LIMIT)
    return values, mask
