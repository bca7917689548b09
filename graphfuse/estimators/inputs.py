"""What a network reads, of one model and of many models side by side: rows of vectors, or a whole population graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.sampling import neighbourhood

ROWS = 64  # people are counted in runs of so many, so that folds of almost one size have one shape


def whole_runs(count: int) -> int:
    """`count` rounded up to a multiple of `ROWS`."""
    return -(-count // ROWS) * ROWS


@dataclass(frozen=True, eq=False)
class Vectors:
    """Feature vectors x (N, P): ``network(x[rows])``."""

    x: Tensor

    @property
    def shape(self) -> tuple:
        """What two models must have in common to be trained side by side."""
        return (self.x.shape[1],)

    def __call__(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Logits (B, C) of some rows."""
        return network(self.x[rows])


@dataclass(frozen=True, eq=False)
class ManyVectors:
    """The vectors of M models; each reads rows of its own."""

    parts: Sequence[Vectors]

    def __call__(self, stacked: nn.Module, rows: Tensor) -> Tensor:
        """Logits (M, B, C) of rows (M, B)."""
        return stacked(torch.stack([part.x[own] for part, own in zip(self.parts, rows, strict=True)]))

    def take(self, models: Tensor) -> ManyVectors:
        """Those of some models."""
        return ManyVectors([self.parts[m] for m in models.tolist()])


@dataclass(frozen=True, eq=False)
class People:
    """Nodes x (N, F) of one population graph: ``network(x, adjacency)[rows]``."""

    x: Tensor
    adjacency: Adjacency

    @property
    def shape(self) -> tuple:
        """What two models must have in common to be trained side by side."""
        return (whole_runs(len(self.x)), self.x.shape[1], self.adjacency.layout)

    def __call__(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Logits (B, C) of some rows."""
        return network(self.x, self.adjacency)[rows]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Some nodes at a time, cut out of a large graph with all that `hops` products reach: ``network(x, part)[:B]``.

    Parameters
    ----------
    x : tensor (N, F)
    adjacency : Adjacency of shape (1, N, N)
    hops : int
    size : int
        Nodes at a time where nothing is trained.
    fanout : int or None
        Most edges that a node keeps while the network is trained; all of them when it is judged.
    draws : Generator
        Of the edges that are kept.
    """

    x: Tensor
    adjacency: Adjacency
    hops: int
    size: int
    fanout: int | None
    draws: torch.Generator

    def __call__(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Logits (B, C) of some rows."""
        if network.training:
            return self._near(network, rows, self.fanout)
        return torch.cat([self._near(network, part, None) for part in rows.split(self.size)])

    def _near(self, network: nn.Module, rows: Tensor, fanout: int | None) -> Tensor:
        near = neighbourhood(self.adjacency, rows, self.hops, fanout, self.draws)
        return network(self.x[near.nodes], near.adjacency)[: len(rows)]


@dataclass(frozen=True, eq=False)
class ManyPeople:
    """The nodes of M models, each in a graph of its own; x (1, N, F) where they all share it, else (M, N, F)."""

    x: Tensor
    adjacency: Adjacency  # (M, N, N)

    def __call__(self, stacked: nn.Module, rows: Tensor) -> Tensor:
        """Logits (M, B, C) of rows (M, B)."""
        logits = stacked.nodes(self.x, self.adjacency)
        return logits.gather(1, rows[..., None].expand(-1, -1, logits.shape[2]))

    def take(self, models: Tensor) -> ManyPeople:
        """Those of some models."""
        return ManyPeople(self.x if len(self.x) == 1 else self.x[models], self.adjacency[models])


def together(inputs: Sequence[Vectors] | Sequence[People], network: nn.Module) -> ManyVectors | ManyPeople:
    """Inputs of one shape, side by side for a stack of networks like `network`."""
    return ManyVectors(inputs) if isinstance(inputs[0], Vectors) else _many_people(inputs, network)


def _many_people(inputs: Sequence[People], network: nn.Module) -> ManyPeople:
    """Nobody is added at the end to fill the last run: nodes of zeros without an edge, which no row reads."""
    n = whole_runs(len(inputs[0].x))
    distinct = list({id(people): people for people in inputs}.values())
    place = torch.tensor([next(k for k, one in enumerate(distinct) if one is people) for people in inputs])
    x = torch.stack([pad(people.x, (0, 0, 0, n - len(people.x))) for people in distinct])  # (K, N, F)
    # Where the first layer widens x, the graph is met before the weights, once a model.
    shared = len(distinct) == 1 and all(x.shape[2] > conv.out_channels for conv in network.encoder.convs[:1])
    return ManyPeople(x if shared else x[place], _side_by_side([people.adjacency for people in distinct], n)[place])


def _side_by_side(graphs: Sequence[Adjacency], n: int) -> Adjacency:
    """K graphs of at most n nodes as one adjacency (K, n, n); the layout is that of each."""
    edges = [graph.to_edge_index() for graph in graphs]
    index = torch.cat([index + k * n for k, (index, _) in enumerate(edges)], dim=1)
    weight = torch.cat([weight for _, weight in edges])
    return Adjacency.from_edge_index(index, weight, num_nodes=n, num_graphs=len(graphs), layout=graphs[0].layout)
