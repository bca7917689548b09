"""The door of everything that joins people by several modalities: dicts of features in, checked rows out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse._memory import check_memory
from graphfuse.errors import MissingModality
from graphfuse.kernels.finite import LIMIT, check_finite

Features = Mapping[str, Tensor | np.ndarray]
Presence = Mapping[str, Tensor | np.ndarray]


def measured(
    features: Features, present: Presence | None = None, widths: Mapping[str, int] | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Check what comes, and zero the rows of who lacks a modality: not a bit of them passes.

    Parameters
    ----------
    features : dict of array (N, P_m)
        The same people in the same order in each.
    present : dict of bool array (N,), or None
        Who has what; None = a person lacks a modality whose whole row is NaN.
    widths : dict of int, or None
        P_m of each modality that was fitted.

    Returns
    -------
    rows : dict of Tensor (N, P_m) float64
        By sorted name.
    has : dict of bool Tensor (N,)

    Raises
    ------
    MissingModality
        Other modalities than the fitted ones, or a person who has none.
    NonFinite
        A NaN, an infinity or a number beyond the limit, of somebody who has the modality.
    ShapeMismatch
    """
    names = sorted(features)
    wanted = names if widths is None else sorted(widths)
    if not names or names != wanted or (present is not None and sorted(present) != names):
        raise MissingModality(
            f"Expected the modalities {wanted}; got features of {names}"
            f"{'' if present is None else f' and presence of {sorted(present)}'}. Give one that nobody has as NaN."
        )
    rows = {name: torch.as_tensor(features[name]).detach().double() for name in names}
    people = len(rows[names[0]])
    for name in names:
        check_shape(f"features[{name!r}]", rows[name], (people, None if widths is None else widths[name]))
    has = {name: _has(name, rows[name], present) for name in names}
    absent = people - int(torch.stack(list(has.values())).any(0).sum())
    if absent:
        raise MissingModality(f"Every person needs one modality at least; {absent} of {people} have none of {names}.")
    rows = {name: torch.where(has[name][:, None], rows[name], 0.0) for name in names}
    for name in names:
        check_finite(f"features[{name!r}] of those who have it", rows[name], LIMIT)
    return rows, has


def distances(rows: Tensor, to: Tensor) -> Tensor:
    """Euclidean distances (M, N), float64, each from its own two rows alone: the same bits whoever else is there."""
    check_memory(f"Distances of {len(rows)} x {len(to)} people", 3 * 8 * len(rows) * len(to), "Use a PopulationGraph.")
    return torch.cdist(rows, to, compute_mode="donot_use_mm_for_euclid_dist")


def _has(name: str, rows: Tensor, present: Presence | None) -> Tensor:
    if present is None:
        return ~rows.isnan().all(1)
    return check_shape(f"present[{name!r}]", torch.as_tensor(present[name]).bool(), (len(rows),))
