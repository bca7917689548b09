"""How an adjacency is held: weights, and where they lie."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from graphfuse.kernels.csr import BlockCSR


class Storage(NamedTuple):
    """Weights of G graphs of R targets and S sources.

    Parameters
    ----------
    weight : tensor (G, R, S) if dense, (E,) if sparse
    pattern : BlockCSR or None
        Where the edges lie; None means dense.
    outside : tensor (G, R) or None
        What each degree has beyond these weights: the graph is part of a larger one.
    """

    weight: Tensor
    pattern: BlockCSR | None = None
    outside: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Graphs, targets and sources, (G, R, S)."""
        return tuple(self.weight.shape) if self.pattern is None else self.pattern.shape
