"""Hypergraphs: incidence of nodes and hyperedges, and the propagation between nodes that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse._memory import check_memory
from graphfuse.errors import NegativeWeights, ShapeMismatch
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.csr import graph_index, sort_edges
from graphfuse.kernels.finite import LIMIT, check_finite


@dataclass(frozen=True, eq=False)
class Hypergraph:
    """Operator ``Theta = Dv^-1/2 H W De^-1 M^T Dv^-1/2`` on nodes, kept in two factors; made by `of`.

    H holds which hyperedges a node hears and M which it speaks to; they are the same but for nodes that were attached
    later. ``Dv = H w`` and ``De = M^T 1``; a node in no hyperedge has a zero row.

    Parameters
    ----------
    spread : Adjacency (G, R, Z)
        ``Dv^-1/2 H De^-1/2``, from Z hyperedges to R nodes.
    gather : Adjacency (G, Z, R)
        ``De^-1/2 M^T Dv^-1/2``, from nodes to hyperedges.
    weight : Tensor (G, Z)
        The diagonal of W.
    """

    spread: Adjacency
    gather: Adjacency
    weight: Tensor

    @classmethod
    def of(cls, incidence: Adjacency | Tensor, weight: Tensor | None = None, members: Adjacency | Tensor | None = None):
        """Make a hypergraph of an incidence.

        Parameters
        ----------
        incidence : Adjacency or Tensor (G, R, Z) or (R, Z)
            H, at least 0: 1 or a degree of membership of node r in hyperedge z, dense or sparse.
        weight : Tensor (Z,) or (G, Z), or None
            W, at least 0; None = 1.
        members : Adjacency or Tensor like `incidence`, or None
            M, where it differs from H.

        Raises
        ------
        NegativeWeights, NonFinite, ShapeMismatch
        """
        hears = _incidence(incidence)
        speaks = hears if members is None else _incidence(members)
        check_shape("members", speaks, hears.shape)
        graphs, _, edges = hears.shape
        weight = _weight(weight, hears.weight, graphs, edges)
        gathers = transposed(speaks)
        node, edge = (hears @ weight[..., None])[..., 0], gathers.degree()  # (G, R), (G, Z)
        spread = hears.normalised("sym", self_loops=False, row_degree=node, col_degree=edge)
        return cls(spread, gathers.normalised("sym", self_loops=False, row_degree=edge, col_degree=node), weight)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Graphs and nodes of the operator, (G, R, R)."""
        graphs, nodes, _ = self.spread.shape
        return graphs, nodes, nodes

    def __matmul__(self, x: Tensor) -> Tensor:
        """Return ``Theta x``, (G, R, D), of x (G, R, D); Theta itself is never stored."""
        return self.spread @ (self.weight[..., None] * (self.gather @ x))

    def __getitem__(self, rows) -> Hypergraph:
        """Select graphs as an `Adjacency` does."""
        picked = graph_index(rows, self.shape[0], self.weight.device)
        return Hypergraph(self.spread[picked], self.gather[picked], self.weight[picked])

    def to(self, target: torch.device | torch.dtype | str) -> Hypergraph:
        """Return the same hypergraphs on another device, or with numbers of another type."""
        return Hypergraph(self.spread.to(target), self.gather.to(target), self.weight.to(target))

    def to_dense(self) -> Tensor:
        """Return Theta, (G, R, R)."""
        size = self.shape[0] * self.shape[1] ** 2 * self.weight.element_size()
        check_memory(f"A dense operator of {self.shape}", size, "Apply the hypergraph to features with @ instead.")
        return (self.spread.to_dense() * self.weight[:, None]) @ self.gather.to_dense()


def incidence_of(node: Tensor, hyperedge: Tensor, value: Tensor, shape: tuple[int, int, int]) -> Adjacency:
    """Return the sparse incidence (G, R, Z) with `value` (E,) at distinct places.

    Parameters
    ----------
    node, hyperedge : int Tensor (E,)
        Numbered over all graphs, ``g R + r`` and ``g Z + z``.
    value : Tensor (E,)
    shape : tuple (G, R, Z)
    """
    pattern, order = sort_edges(node, hyperedge, shape)
    return Adjacency(value[order], pattern)


def concatenated(groups: Sequence[Adjacency]) -> Adjacency:
    """Set incidences (G, R, Z_m) side by side, (G, R, sum Z_m): the fusion of hyperedge groups.

    A modality that a node lacks adds no membership of hers, and nothing of the others changes.

    Raises
    ------
    ShapeMismatch
        Groups over different nodes.

    References
    ----------
    Feng et al. (2019). Hypergraph neural networks. AAAI.
    """
    shapes = {group.shape[:2] for group in groups}
    if len(shapes) != 1:
        raise ShapeMismatch(f"Hyperedge groups must share their graphs and nodes; got (G, R) of {sorted(shapes)}.")
    groups = [group.sparse() for group in groups]
    graphs, nodes = groups[0].shape[:2]
    widths = [group.shape[2] for group in groups]
    starts = [sum(widths[:m]) for m in range(len(widths))]
    places = [_placed(group, sum(widths), start) for group, start in zip(groups, starts, strict=True)]
    rows = torch.cat([group.pattern.row for group in groups])
    values = torch.cat([group.weight for group in groups])
    return incidence_of(rows, torch.cat(places), values, (graphs, nodes, sum(widths)))


def transposed(adjacency: Adjacency) -> Adjacency:
    """Return ``A^T``, (G, S, R) of (G, R, S), stored as A is."""
    if adjacency.pattern is None:
        return Adjacency(adjacency.weight.mT)
    pattern, order = adjacency.pattern.transpose
    return Adjacency(adjacency.weight[order], pattern)


def _placed(group: Adjacency, width: int, start: int) -> Tensor:
    """Columns (E,) of a group of hyperedges that begins at `start` of `width`."""
    graph = group.pattern.row.long() // group.shape[1]
    return graph * width + start + group.pattern.local_col


def _incidence(incidence: Adjacency | Tensor) -> Adjacency:
    return incidence if isinstance(incidence, Adjacency) else Adjacency.from_dense(incidence)


def _weight(weight: Tensor | None, like: Tensor, graphs: int, edges: int) -> Tensor:
    """Weights of the hyperedges, (G, Z)."""
    if weight is None:
        return like.new_ones(graphs, edges)
    weight = check_finite("Weights of hyperedges", torch.as_tensor(weight).to(like), LIMIT)
    if bool((weight.detach() < 0).any()):
        raise NegativeWeights("Weights of hyperedges must be at least 0; got a negative one.")
    return check_shape("weight", weight, (edges,) if weight.dim() == 1 else (graphs, edges)).expand(graphs, edges)
