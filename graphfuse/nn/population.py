"""What a network reads of a population: vectors or graphs of people, their phenotypes, the graphs among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from graphfuse.kernels.adjacency import Adjacency


class Stacked(Protocol):
    """Vectors or graphs of N subjects: ``x`` (N, ...) and ``present`` (N,) bool."""

    x: Tensor
    present: Tensor


@dataclass(frozen=True, eq=False)
class Population:
    """N people, the first `fitted` of whom may be heard by all; those after them were attached and are heard by nobody.

    Parameters
    ----------
    inputs : dict of str to Rows or Graphs
        What was measured, by role.
    graphs : dict of str to Adjacency (1, N, N)
        Graphs that stand, by name; an attached person has a row in them and no column.
    agreement : Tensor (N, N)
        On how many phenotypes two people agree; 0 in the columns of attached people.
    traits : Tensor (N, d)
        Phenotypes as standardised numbers; d = 0 where none were asked for.
    fitted : int
    """

    inputs: Mapping[str, Stacked]
    graphs: Mapping[str, Adjacency] = field(default_factory=dict)
    agreement: Tensor | None = None
    traits: Tensor | None = None
    fitted: int = 0

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())).x)

    @property
    def candidates(self) -> Tensor:
        """Whom each person may listen to, bool (1, N, N): the fitted people, and always oneself."""
        n = len(self)
        return (torch.arange(n) < self.fitted).expand(1, n, n) | torch.eye(n, dtype=torch.bool)

    @property
    def x(self) -> Tensor:
        """The vectors of all roles side by side, (N, sum P), sorted by role."""
        return torch.cat([self.inputs[role].x.flatten(1) for role in sorted(self.inputs)], 1)
