"""The contract of every pooling: ``pool(x (G, R, D), adjacency, nodes) -> Pooled``."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from graphfuse.kernels import Adjacency


class Pooled(NamedTuple):
    """G smaller graphs of r nodes each; r depends on R alone, so that the graphs stay stacked.

    Parameters
    ----------
    x : tensor (G, r, D')
        Zeros at nodes that are not usable.
    adjacency : Adjacency of shape (G, r, r)
    nodes : bool tensor (G, r)
        Usable nodes.
    kept : int64 tensor (G, r) or None
        Which nodes of the input these are; None where a node is a cluster of several.
    score : tensor (G, r)
        What the nodes were chosen by; for clusters, how many usable nodes each holds. 0 at nodes that are not usable.
    """

    x: Tensor
    adjacency: Adjacency
    nodes: Tensor
    kept: Tensor | None
    score: Tensor
