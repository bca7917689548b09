"""The one adjacency: G graphs over one set of nodes, dense or block CSR, whichever is the faster."""

from __future__ import annotations

from functools import cached_property
from math import prod

import torch
from torch import Tensor

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels import edges
from graphfuse.kernels.csr import BlockCSR, graph_index, sorted_edges
from graphfuse.kernels.edges import as_weight
from graphfuse.kernels.finite import check_finite
from graphfuse.kernels.laplacian import ScaledLaplacian
from graphfuse.kernels.normalise import NORMALISATIONS, degree, normalised, row_sums
from graphfuse.kernels.spmm import spmm
from graphfuse.kernels.storage import Storage

# Density from which a product of matrices is quicker than one over edges, gradients included. CPU: measured for
# R = 68 .. 1000 and D = 16 .. 128 (benchmarks/workloads/crossover.py). GPU: not measured by us.
DENSE_ABOVE = {"cpu": 0.5, "cuda": 0.05}
LAYOUTS = ("auto", "dense", "sparse")


class Adjacency:
    """G graphs of R target and S source nodes; ``(A x)_r = sum_s A_rs x_s``. Frozen: no method changes it.

    Made by `from_dense` or `from_edge_index`. An edge is a nonzero weight; row r holds the edges that lead *to* r.
    What `normalised` returns is kept while the weights need no gradient. A selection knows the stack it came from, so
    that a batch takes its share of what was computed once; a pickle does not hold it.

    Parameters
    ----------
    weight : tensor (G, R, S) if dense, (E,) if sparse
    pattern : BlockCSR or None
        Where the edges lie; None means dense.
    outside : tensor (G, R) or None
        What each degree has beyond these weights, in a part of a larger graph.
    """

    def __init__(self, weight: Tensor, pattern: BlockCSR | None = None, outside: Tensor | None = None):
        self.storage = Storage(weight, pattern, outside)
        self._kept: dict = {}
        self._origin: tuple[Adjacency, Tensor | slice] | None = None

    @classmethod
    def from_dense(cls, weight, layout: str = "auto") -> Adjacency:
        """Make an adjacency of matrices.

        Parameters
        ----------
        weight : tensor or array (G, R, S) or (R, S)
            ``weight[g, r, s]`` is the edge from s to r. Floats keep their type, all else becomes float32.
        layout : {"auto", "dense", "sparse"}
            "auto" chooses by density.

        Raises
        ------
        NonFinite, ShapeMismatch, InvalidOption
        """
        weight = as_weight(weight)
        check_option("layout", layout, LAYOUTS)
        adjacency = cls(weight[None] if weight.dim() == 2 else check_shape("weight", weight, (None, None, None)))
        sparse = layout == "sparse" or (layout == "auto" and not adjacency._better_dense())
        return cls(*edges.sparsified(adjacency.weight)) if sparse else adjacency

    @classmethod
    def from_edge_index(cls, edge_index, edge_weight=None, *, num_nodes: int, num_graphs: int = 1, layout="auto"):
        """Make an adjacency of edges in PyTorch Geometric's form; equal edges are summed.

        Parameters
        ----------
        edge_index : int tensor (2, E)
            Row 0 sources, row 1 targets, numbered ``g * num_nodes + r``.
        edge_weight : tensor (E,) or None
            None means 1.
        num_nodes, num_graphs : int
            Nodes of one graph, and graphs.
        layout : {"auto", "dense", "sparse"}

        Raises
        ------
        InvalidOption
            An index out of range, or an edge between two graphs.
        """
        check_option("layout", layout, LAYOUTS)
        adjacency = cls(*edges.summed(edge_index, edge_weight, num_nodes, num_graphs))
        dense = layout == "dense" or (layout == "auto" and adjacency._better_dense())
        return cls(adjacency.to_dense()) if dense else adjacency

    # ---- what it is

    @property
    def weight(self) -> Tensor:
        """Weights, (G, R, S) if dense, (E,) if sparse."""
        return self.storage.weight

    @property
    def pattern(self) -> BlockCSR | None:
        """Where the edges lie; None if dense."""
        return self.storage.pattern

    @property
    def shape(self) -> tuple[int, int, int]:
        """Graphs, targets and sources, (G, R, S)."""
        return self.storage.shape

    @property
    def num_graphs(self) -> int:
        """Graphs, G."""
        return self.shape[0]

    @property
    def num_nodes(self) -> int:
        """Target nodes of one graph, R."""
        return self.shape[1]

    @property
    def layout(self) -> str:
        """The storage, "dense" or "sparse"."""
        return "dense" if self.pattern is None else "sparse"

    @cached_property
    def density(self) -> float:
        """Nonzero weights over ``G * R * S``."""
        return int(torch.count_nonzero(self.weight.detach())) / max(prod(self.shape), 1)

    @cached_property
    def symmetric(self) -> bool:
        """Whether every graph is known to equal its transpose; never so while the weights need a gradient."""
        if self._origin is not None:
            return self._origin[0].symmetric
        with torch.inference_mode(False):
            return not self.weight.requires_grad and edges.is_symmetric(self.storage)

    def __repr__(self) -> str:
        return f"Adjacency(shape={self.shape}, density={self.density:.3g}, {self.layout}, {self.weight.dtype})"

    def __getstate__(self) -> dict:
        """Neither what was kept nor the larger stack travels with a pickle."""
        return {"storage": self.storage, "_kept": {}, "_origin": None}

    # ---- other forms

    def to_dense(self) -> Tensor:
        """Return the matrices, (G, R, S); raises `MemoryBudget` before it would take more memory than there is."""
        return self.weight if self.pattern is None else edges.densified(self.storage)

    def to_edge_index(self) -> tuple[Tensor, Tensor]:
        """Return ``edge_index`` (2, E) int64 and ``edge_weight`` (E,) in PyTorch Geometric's form."""
        sparse = self.sparse()
        return torch.stack([sparse.pattern.col, sparse.pattern.row]).long(), sparse.weight

    def sparse(self) -> Adjacency:
        """Return the same graphs stored by edges."""
        dense = self.pattern is None
        return self._keep("sparse", lambda: Adjacency(*edges.sparsified(self.weight))) if dense else self

    def to(self, target: torch.device | torch.dtype | str) -> Adjacency:
        """Return the same graphs on another device, or with weights of another type."""
        storage = edges.moved(self.storage, target)
        return self if storage.weight is self.weight else Adjacency(*storage)

    def with_weight(self, weight: Tensor) -> Adjacency:
        """Return the same edges with other weights, of the shape of `self.weight`."""
        check_finite("Edge weights", check_shape("weight", weight, tuple(self.weight.shape)))
        return Adjacency(*self.storage._replace(weight=weight))

    def of_degree(self, total: Tensor) -> Adjacency:
        """Return the same graphs with degrees (G, R) that are given: those of the larger graph they are part of."""
        check_finite("degree", check_shape("degree", total, self.shape[:2]))
        return Adjacency(self.weight, self.pattern, total - row_sums(self.storage))

    # ---- what it does

    def __matmul__(self, x: Tensor) -> Tensor:
        """Return ``A x``: (G, S, D) to (G, R, D), or (S, D) to (R, D) for one graph; gradients to x and weights."""
        if x.dim() == 2 and self.num_graphs == 1:
            return (self @ x[None])[0]
        check_shape("x", x, (self.shape[0], self.shape[2], None))
        if x.dtype != self.weight.dtype:
            raise InvalidOption(
                f"x must be {self.weight.dtype} as the weights are; got {x.dtype}. Use adjacency.to(x.dtype)."
            )
        return check_finite("A x", self._product(x))

    def _product(self, x: Tensor) -> Tensor:
        if self.pattern is None:
            return torch.bmm(self.weight, x)
        graphs, targets, _ = self.shape
        symmetric = x.requires_grad and torch.is_grad_enabled() and self.symmetric
        return spmm(self.weight, x.flatten(0, 1), self.pattern, symmetric).view(graphs, targets, x.shape[2])

    def attend(self, q: Tensor, k: Tensor, v: Tensor, a: Tensor | None = None, **options) -> Tensor:
        """Return `graphfuse.kernels.attention.attend` over the edges: GAT, GATv2 or a graph transformer."""
        from graphfuse.kernels.attention import attend  # which is made of adjacencies

        return attend(self, q, k, v, a, **options)

    def __getitem__(self, rows) -> Adjacency:
        """Select graphs by int, slice, int array or bool mask."""
        if self.pattern is not None or not isinstance(rows, slice):  # a slice of matrices is a view
            rows = graph_index(rows, self.num_graphs, self.weight.device)
        selection = Adjacency(*edges.selected(self.storage, rows))
        selection._origin = (self, rows)
        return selection

    def degree(self) -> Tensor:
        """Return the sum of the weights that lead to each node, (G, R), in the larger graph if this is part of one."""
        return degree(self.storage)

    def normalised(self, kind: str = "sym", *, self_loops: bool = True, row_degree=None, col_degree=None) -> Adjacency:
        """Return ``D^-1/2 (A + I) D^-1/2`` ("sym"), ``D^-1 (A + I)`` ("row") or ``A + I`` ("none"), D of ``A + I``.

        Parameters
        ----------
        kind : {"sym", "row", "none"}
        self_loops : bool
            Give weight 1 to each self-loop that is absent (one that is there keeps its weight, as in PyTorch
            Geometric). Without them a node of degree zero has a zero row.
        row_degree, col_degree : tensor (G, R), (G, S), or None
            Degrees to use instead of the row sums, self-loops counted; a rectangular "sym" needs `col_degree`.

        Raises
        ------
        NegativeWeights
            A weight is negative and `kind` is not "none".
        InvalidOption
            Self-loops, or "sym" without `col_degree`, on a rectangular adjacency.

        References
        ----------
        Kipf and Welling (2017). Semi-supervised classification with graph convolutional networks. ICLR.
        """
        check_option("kind", kind, NORMALISATIONS)
        if row_degree is not None or col_degree is not None:
            return Adjacency(*normalised(self.storage, kind, self_loops, row_degree, col_degree))
        return self._keep(
            (kind, self_loops),
            lambda: Adjacency(*normalised(self.storage, kind, self_loops)),
            lambda stack: stack.normalised(kind, self_loops=self_loops),
        )

    def laplacian(self, lambda_max: float = 2.0) -> ScaledLaplacian:
        """Return ``2 L / lambda_max - I`` with ``L = I - D^-1/2 A D^-1/2``, self-loops left out, as an operator."""
        check_range("lambda_max", lambda_max, 1e-3, 1e3)
        operator = self._keep(
            "laplacian",
            lambda: self.without_self_loops().normalised("sym", self_loops=False),
            lambda stack: stack.laplacian().operator,
        )
        return ScaledLaplacian(operator, lambda_max)

    # ---- other edges

    def with_self_loops(self) -> Adjacency:
        """Return ``A + I``: weight 1 on each self-loop that is absent."""
        return self.normalised("none")

    def without_self_loops(self) -> Adjacency:
        """Return the graphs with a zero on the diagonal."""
        return Adjacency(*edges.loopless(self.storage))

    def without_edges(self) -> Adjacency:
        """Return graphs of the same shape without an edge; with self-loops they normalise to the identity."""
        nowhere = torch.zeros(0, dtype=torch.int64, device=self.weight.device)
        return Adjacency(self.weight.new_zeros(0), sorted_edges(nowhere, nowhere, self.shape))

    def drop_edges(self, p: float, generator: torch.Generator | None = None) -> Adjacency:
        """Return the graphs with each directed edge dropped with probability `p`; the others keep their weight."""
        check_range("p", p, 0.0, 1.0)
        draw = torch.rand(self.weight.shape, generator=generator, device=self.weight.device)
        return self.with_weight(self.weight * (draw >= p))

    def attach(self, weight) -> Adjacency:
        """Return one square graph of N + n nodes in which n new nodes listen to the N fitted ones, and nobody to them.

        Fitted rows and degrees stay what they were (dense ones to the last bit or two: their sums run over more
        columns), and no new node sees another: each is attached alone.

        Parameters
        ----------
        weight : tensor, sparse tensor or array (n, N)
            Edges from the fitted nodes to the new ones.
        """
        return Adjacency(*edges.attached(self.storage, weight))

    # ---- inner matters

    def _better_dense(self) -> bool:
        return self.density >= DENSE_ABOVE.get(self.weight.device.type, 1.0)

    def _keep(self, key, make, share=None) -> Adjacency:
        """Return what is kept under `key`, else the share of the stack this was selected from, else make it."""
        if self.weight.requires_grad:  # its autograd graph dies with each backward
            return make()
        if key not in self._kept:
            from_stack = share is not None and self._origin is not None and not self._origin[0].weight.requires_grad
            with torch.inference_mode(False):  # what is kept may be trained on later
                self._kept[key] = share(self._origin[0])[self._origin[1]] if from_stack else make()
        return self._kept[key]
