"""Phenotypes as numbers, and the number of them on which two people agree."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Codes:
    """Phenotypes of N people: two agree on a category if it is equal, on a quantity if it is nearer than its width.

    Parameters
    ----------
    categories : int32 tensor (S, N)
        A negative code is missing and agrees with nobody.
    quantities : float32 tensor (Q, N)
        NaN is missing and agrees with nobody.
    widths : float32 tensor (Q,)
        In the units of each quantity.
    """

    categories: Tensor
    quantities: Tensor
    widths: Tensor

    @property
    def people(self) -> int:
        """People, N."""
        return self.categories.shape[1]

    @property
    def highest(self) -> int:
        """The largest agreement there can be: S + Q; without phenotypes everybody agrees once."""
        return max(len(self.categories) + len(self.quantities), 1)

    def __getitem__(self, rows) -> Codes:
        """Return the same of the people at `rows`."""
        return Codes(self.categories[:, rows].contiguous(), self.quantities[:, rows].contiguous(), self.widths)


def agreement(targets: Codes, sources: Codes) -> Tensor:
    """Phenotypes on which each pair agrees, float32 (M, N), in plain torch; 1 if there are none to compare.

    Parameters
    ----------
    targets, sources : Codes
        Of M and of N people.
    """
    count = torch.zeros(targets.people, sources.people)
    for mine, others in zip(targets.categories, sources.categories, strict=True):
        count += mine.masked_fill(mine < 0, -2)[:, None] == others.clamp(min=-1)  # missing is -2 here and -1 there
    for mine, others, width in zip(targets.quantities, sources.quantities, targets.widths, strict=True):
        count += (mine[:, None] - others).abs_() < width  # NaN: no
    return count if len(targets.categories) + len(targets.quantities) else count + 1
