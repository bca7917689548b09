"""Rows: one vector a subject, the flat sister of Graphs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from graphfuse._check import check_shape
from graphfuse.kernels.finite import check_finite


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Vectors of N subjects; ``rows[places]`` takes subjects.

    Parameters
    ----------
    x : Tensor (N, P)
        Zeros for somebody who was not measured.
    present : Tensor (N,) bool
        Who was measured.
    """

    x: torch.Tensor
    present: torch.Tensor

    def __post_init__(self):
        check_shape("x", self.x, (None, None))
        check_shape("present", self.present, (len(self.x),))
        check_finite("The vectors x", self.x)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, places) -> Rows:
        places = np.atleast_1d(np.arange(len(self))[places])
        return Rows(self.x[places], self.present[places])

    def __repr__(self) -> str:
        return f"Rows({len(self)} subjects, {self.x.shape[1]} features)"

    def followed_by(self, *others: Rows) -> Rows:
        """These subjects, then those of the others."""
        parts = [self, *others]
        return Rows(torch.cat([part.x for part in parts]), torch.cat([part.present for part in parts]))
