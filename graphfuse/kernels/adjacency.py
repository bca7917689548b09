"""The one adjacency: G graphs over one set of nodes, dense or block CSR, whichever is the faster."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels import edges
from graphfuse.kernels.csr import BlockCSR, graph_index
from graphfuse.kernels.edges import as_weight
from graphfuse.kernels.finite import check_finite
from graphfuse.kernels.laplacian import ScaledLaplacian
from graphfuse.kernels.normalise import NORMALISATIONS, check_non_negative, degrees
from graphfuse.kernels.spmm import spmm

# One CPU thread, D = 32, R = 110 .. 871: CSR beats bmm up to a density of about 0.3, in each gradient too.
DENSE_ABOVE = 0.3
LAYOUTS = ("auto", "dense", "sparse")


class Adjacency:
    """G graphs of R target and S source nodes; ``(A x)_r = sum_s A_rs x_s``. Frozen: no method changes it.

    Made by `from_dense` or `from_edge_index`. An edge is a nonzero weight; row r holds the edges that lead *to* r.
    What `normalised` returns is kept while the weights need no gradient. A selection keeps a reference to
    the stack it came from, so that a batch takes its share of what was computed once; a pickle does not hold it.

    Parameters
    ----------
    weight : tensor (G, R, S) if dense, (E,) if sparse
    pattern : BlockCSR or None
        Where the edges lie; None means dense.
    """

    def __init__(self, weight: Tensor, pattern: BlockCSR | None = None):
        self.weight = weight
        self.pattern = pattern
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
        sparse = layout == "sparse" or (layout == "auto" and adjacency.density < DENSE_ABOVE)
        return cls(*edges.sparsified(adjacency)) if sparse else adjacency

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
        dense = layout == "dense" or (layout == "auto" and adjacency.density >= DENSE_ABOVE)
        return cls(adjacency.to_dense()) if dense else adjacency

    # ---- what it is

    @property
    def shape(self) -> tuple[int, int, int]:
        """Graphs, targets and sources, (G, R, S)."""
        return tuple(self.weight.shape) if self.pattern is None else self.pattern.shape

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
        graphs, targets, sources = self.shape
        return int(torch.count_nonzero(self.weight.detach())) / max(graphs * targets * sources, 1)

    def __repr__(self) -> str:
        return f"Adjacency(shape={self.shape}, density={self.density:.3g}, {self.layout}, {self.weight.dtype})"

    def __getstate__(self) -> dict:
        """Neither what was kept nor the larger stack travels with a pickle."""
        return {"weight": self.weight, "pattern": self.pattern, "_kept": {}, "_origin": None}

    # ---- other forms

    def to_dense(self) -> Tensor:
        """Return the matrices, (G, R, S); raises `MemoryBudget` before it would take more memory than there is."""
        return self.weight if self.pattern is None else edges.densified(self)

    def to_edge_index(self) -> tuple[Tensor, Tensor]:
        """Return ``edge_index`` (2, E) int64 and ``edge_weight`` (E,) in PyTorch Geometric's form."""
        sparse = self
        if self.pattern is None:
            sparse = self._keep("sparse", lambda: Adjacency(*edges.sparsified(self)))
        return torch.stack([sparse.pattern.col, sparse.pattern.row]).long(), sparse.weight

    def to(self, target: torch.device | torch.dtype | str) -> Adjacency:
        """Return the same graphs on another device, or with weights of another type."""
        weight = self.weight.to(target)
        if weight is self.weight:
            return self
        return Adjacency(weight, None if self.pattern is None else self.pattern.to(weight.device))

    def with_weight(self, weight: Tensor) -> Adjacency:
        """Return the same edges with other weights, of the shape of `self.weight`."""
        check_finite("Edge weights", check_shape("weight", weight, tuple(self.weight.shape)))
        return Adjacency(weight, self.pattern)

    # ---- what it does

    def __matmul__(self, x: Tensor) -> Tensor:
        """Return ``A x``: (G, S, D) to (G, R, D), or (S, D) to (R, D) for one graph; gradients to x and weights."""
        if x.dim() == 2 and self.num_graphs == 1:
            return (self @ x[None])[0]
        graphs, _, sources = self.shape
        check_shape("x", x, (graphs, sources, None))
        if x.dtype != self.weight.dtype:
            raise InvalidOption(
                f"x must be {self.weight.dtype} as the weights are; got {x.dtype}. Use adjacency.to(x.dtype)."
            )
        return check_finite("A x", self._product(x))

    def _product(self, x: Tensor) -> Tensor:
        if self.pattern is None:
            return torch.bmm(self.weight, x)
        graphs, targets, sources = self.shape
        flat = x.reshape(graphs * sources, x.shape[2])
        return spmm(self.weight, flat, self.pattern).view(graphs, targets, x.shape[2])

    def __getitem__(self, rows) -> Adjacency:
        """Select graphs by int, slice, int array or bool mask."""
        if isinstance(rows, slice) and self.pattern is None:
            selection = Adjacency(self.weight[rows])  # a view
        else:
            rows = graph_index(rows, self.num_graphs, self.weight.device)
            selection = self._selected(rows)
        selection._origin = (self, rows)
        return selection

    def degree(self) -> Tensor:
        """Return the sum of the weights that lead to each node, (G, R)."""
        graphs, _, sources = self.shape
        return (self @ self.weight.new_ones(graphs, sources, 1))[..., 0]

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
        if kind == "none" and not self_loops:
            return self
        if row_degree is not None or col_degree is not None:
            return self._normalise(kind, self_loops, row_degree, col_degree)
        return self._keep(
            (kind, self_loops),
            lambda: self._normalise(kind, self_loops, None, None),
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

    def scaled(self, row: Tensor, col: Tensor | None) -> Adjacency:
        """Return ``diag(row) A diag(col)``; row (G, R), col (G, S) or None for ones."""
        if self.pattern is None:
            row, col = row[:, :, None], None if col is None else col[:, None, :]
        else:
            row, col = row.flatten()[self.pattern.row], None if col is None else col.flatten()[self.pattern.col]
        weight = self.weight * row
        return self.with_weight(weight if col is None else weight * col)

    # ---- other edges

    def with_self_loops(self) -> Adjacency:
        """Return ``A + I``: weight 1 on each self-loop that is absent."""
        return self.normalised("none")

    def without_self_loops(self) -> Adjacency:
        """Return the graphs with a zero on the diagonal."""
        if self.pattern is not None:
            return self.with_weight(self.weight.masked_fill(self.pattern.is_loop, 0.0))
        _, targets, sources = self.shape
        return Adjacency(self.weight.masked_fill(torch.eye(targets, sources, device=self.weight.device).bool(), 0.0))

    def without_edges(self) -> Adjacency:
        """Return graphs of the same shape without an edge; with self-loops they normalise to the identity."""
        empty = torch.zeros(0, dtype=torch.int32, device=self.weight.device)
        pointers = empty.new_zeros(self.shape[0] * self.shape[1] + 1)
        return Adjacency(self.weight.new_zeros(0), BlockCSR(pointers, empty, self.shape))

    def drop_edges(self, p: float, generator: torch.Generator | None = None) -> Adjacency:
        """Return the graphs with each directed edge dropped with probability `p`; the others keep their weight."""
        check_range("p", p, 0.0, 1.0)
        draw = torch.rand(self.weight.shape, generator=generator, device=self.weight.device)
        return self.with_weight(self.weight * (draw >= p))

    def attach(self, weight) -> Adjacency:
        """Return one square graph of N + n nodes in which n new nodes listen to the N fitted ones, and nobody to them.

        Fitted rows and degrees stay what they were, and no new node sees another: each is attached alone.

        Parameters
        ----------
        weight : tensor, sparse tensor or array (n, N)
            Edges from the fitted nodes to the new ones.
        """
        return Adjacency(*edges.attached(self, weight))

    # ---- inner matters

    def _keep(self, key, make, share=None) -> Adjacency:
        """Return what is kept under `key`, else the share of the stack this was selected from, else make it."""
        if self.weight.requires_grad:  # its autograd graph dies with each backward
            return make()
        if key not in self._kept:
            from_stack = share is not None and self._origin is not None and not self._origin[0].weight.requires_grad
            with torch.inference_mode(False):  # what is kept may be trained on later
                self._kept[key] = share(self._origin[0])[self._origin[1]] if from_stack else make()
        return self._kept[key]

    def _normalise(self, kind: str, self_loops: bool, row_degree, col_degree) -> Adjacency:
        adjacency = Adjacency(*edges.looped(self)) if self_loops else self
        if kind == "none":
            return adjacency
        check_non_negative(adjacency)
        return NORMALISATIONS[kind](adjacency, *degrees(adjacency, kind, row_degree, col_degree))

    def _selected(self, graphs: Tensor) -> Adjacency:
        if self.pattern is None:
            return Adjacency(self.weight[graphs])
        chosen, _ = self.pattern.edges_of(graphs)
        return Adjacency(self.weight[chosen], self.pattern.select(graphs))
