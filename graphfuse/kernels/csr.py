"""Where the edges of G stacked graphs lie: one block-diagonal CSR pattern, its transpose cached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from graphfuse.errors import ShapeMismatch
from graphfuse.kernels.csr_cpu import copy_graphs, transpose_order

INT32_MAX = 2**31 - 1


@dataclass(frozen=True, eq=False)
class BlockCSR:
    """The pattern of G graphs of R targets and S sources, row by row, without weights.

    Parameters
    ----------
    crow : int32 tensor (G * R + 1,)
        Row g * R + r owns the edges ``crow[row] : crow[row + 1]``.
    col : int32 tensor (E,)
        Source of each edge, numbered ``g * S + s`` over all graphs.
    shape : tuple (G, R, S)
    """

    crow: Tensor
    col: Tensor
    shape: tuple[int, int, int]
    origin: tuple[BlockCSR, Tensor] | None = None  # the pattern and graphs this one was selected from

    def __getstate__(self) -> dict:
        """Neither caches nor the larger pattern travel with a pickle."""
        return {"crow": self.crow, "col": self.col, "shape": self.shape, "origin": None}

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the block-diagonal matrix, (G * R, G * S)."""
        graphs, targets, sources = self.shape
        return graphs * targets, graphs * sources

    @cached_property
    @torch.inference_mode(False)  # what is kept may be trained on later
    def row(self) -> Tensor:
        """Target of each edge, int32 (E,), numbered ``g * R + r``."""
        rows = torch.arange(self.size[0], dtype=torch.int32, device=self.crow.device)
        return rows.repeat_interleave(self.crow.diff(), output_size=len(self.col))

    @cached_property
    @torch.inference_mode(False)
    def local_col(self) -> Tensor:
        """Source of each edge inside its own graph, int32 (E,), in 0 .. S - 1."""
        return self.col % self.shape[2]

    @cached_property
    @torch.inference_mode(False)
    def is_loop(self) -> Tensor:
        """Edges that lead from a node to itself, bool (E,)."""
        return self.row % self.shape[1] == self.local_col

    @cached_property
    @torch.inference_mode(False)
    def transpose(self) -> tuple[BlockCSR, Tensor]:
        """The transposed pattern, and the edge of this one that each of its edges was, int32 (E,)."""
        if self.origin is not None:  # a batch takes its share of the sort that was done once for all graphs
            parent, graphs = self.origin
            pattern, order = parent.transpose
            edges, shift = pattern.edges_of(graphs)
            return pattern.select(graphs), (order[edges] - shift).int()
        graphs, targets, sources = self.shape
        crow, order = transpose_order(self.col, self.size[1])
        return BlockCSR(crow, self.row[order], (graphs, sources, targets)), order

    @cached_property
    @torch.inference_mode(False)
    def with_loops(self) -> tuple[BlockCSR, Tensor]:
        """The pattern with every self-loop stored, and the position of each of its edges in ``[edges, new loops]``."""
        bare = torch.ones(self.size[0], dtype=torch.bool, device=self.col.device)
        bare[self.row[self.is_loop]] = False
        nodes = bare.nonzero()[:, 0].int()
        return sort_edges(torch.cat([self.row, nodes]), torch.cat([self.col, nodes]), self.shape)

    def edges_of(self, graphs: Tensor) -> tuple[Tensor, Tensor]:
        """Edges of the selected graphs in their order, and how far each one moves to the front, both int64 (E',)."""
        starts, counts = self._runs(graphs)
        shift = (starts - (counts.cumsum(0) - counts)).repeat_interleave(counts)
        return torch.arange(len(shift), device=shift.device) + shift, shift

    def select(self, graphs: Tensor) -> BlockCSR:
        """The pattern of the graphs at positions `graphs`, int64 (G',)."""
        return self.select_with(graphs, None)[0]

    def select_with(self, graphs: Tensor, weight: Tensor | None) -> tuple[BlockCSR, Tensor | None]:
        """The pattern of some graphs, and their share of the edges' weights (E,), which must need no gradient."""
        _, targets, sources = self.shape
        crow = cumulated(self.crow.diff().view(-1, targets)[graphs].flatten())
        move = (torch.arange(len(graphs), device=graphs.device) - graphs) * sources
        col, weight = copy_graphs(self.col, weight, *self._runs(graphs), move)
        return BlockCSR(crow, col, (len(graphs), targets, sources), (self, graphs)), weight

    def to(self, device: torch.device) -> BlockCSR:
        """The same pattern on another device."""
        return BlockCSR(self.crow.to(device), self.col.to(device), self.shape)

    def _runs(self, graphs: Tensor) -> tuple[Tensor, Tensor]:
        """First edge and number of edges of each selected graph, both int64 (G',)."""
        starts = self.crow[:: self.shape[1]].long() if self.shape[1] else self.crow.new_zeros(self.shape[0] + 1).long()
        return starts[graphs], starts.diff()[graphs]


def sort_edges(row: Tensor, col: Tensor, shape: tuple[int, int, int]) -> tuple[BlockCSR, Tensor]:
    """Put distinct edges, numbered over all graphs, in row order; return the pattern and the order, (E,)."""
    check_size(shape, len(col))
    order = torch.argsort(row.long() * (shape[0] * shape[2]) + col.long())
    return sorted_edges(row, col[order], shape), order


def sorted_edges(row: Tensor, col: Tensor, shape: tuple[int, int, int]) -> BlockCSR:
    """Make a pattern of sources that are in row order already; the targets may come in any order."""
    check_size(shape, len(col))
    return BlockCSR(cumulated(torch.bincount(row, minlength=shape[0] * shape[1])), col.int(), shape)


def check_size(shape: tuple[int, int, int], edges: int) -> None:
    """Raise `ShapeMismatch` where int32 cannot number the nodes or edges."""
    graphs, targets, sources = shape
    if max(graphs * targets, graphs * sources, edges) > INT32_MAX:
        raise ShapeMismatch(
            f"A stack must have at most {INT32_MAX} nodes and edges; got {shape} and {edges} edges. Stack fewer graphs."
        )


def graph_index(rows, num_graphs: int, device: torch.device) -> Tensor:
    """Return the positions, int64 (G',), that an int, slice, int array or bool mask selects."""
    if not isinstance(rows, slice):
        rows = torch.atleast_1d(torch.as_tensor(rows, device=device))
        rows = rows if rows.dtype == torch.bool else rows.long()
    return torch.arange(num_graphs, device=device)[rows]


def cumulated(counts: Tensor) -> Tensor:
    """Return int32 pointers (n + 1,) of counts (n,)."""
    pointers = torch.zeros(len(counts) + 1, dtype=torch.int32, device=counts.device)
    pointers[1:] = counts.cumsum(0)
    return pointers
