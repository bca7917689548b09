"""Relational graph convolution of Schlichtkrull and others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import ShapeMismatch
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite

AGGREGATIONS = {"mean": "row", "add": "none"}  # and the normalisation of each relation


class RGCNConv(nn.Module):
    """Relational convolution ``Y = sum_m D_m^-1 A_m X Theta_m + X Theta_root + b``, one Theta a relation.

    A modality is a relation; one that a graph lacks has no edge there and adds nothing. Parameters are named as in
    ``torch_geometric.nn.RGCNConv`` and may be loaded from it. PyG's layer knows no weights of edges: the two are equal
    where all weights are 1.

    Parameters
    ----------
    in_channels, out_channels : int
    num_relations : int
        M.
    num_bases : int or None
        Thetas are sums ``Theta_m = sum_b comp_mb V_b`` of so many; None = each its own.
    aggr : {"mean", "add"}
        With ``D_m^-1``, the mean over neighbours weighted by their edges, or without. The mean needs weights >= 0.
    root_weight, bias : bool

    References
    ----------
    Schlichtkrull et al. (2018). Modeling relational data with graph convolutional networks. ESWC.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_relations: int,
        num_bases: int | None = None,
        aggr: str = "mean",
        root_weight: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        check_range("num_relations", num_relations, 1)
        self.in_channels, self.out_channels, self.num_relations = in_channels, out_channels, num_relations
        self.kind = AGGREGATIONS[check_option("aggr", aggr, AGGREGATIONS)]
        stored = num_relations if num_bases is None else check_range("num_bases", num_bases, 1)
        self.weight = nn.Parameter(torch.empty(stored, in_channels, out_channels))
        self.comp = None if num_bases is None else nn.Parameter(torch.empty(num_relations, num_bases))
        self.root = nn.Parameter(torch.empty(in_channels, out_channels)) if root_weight else None
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        for theta in (*self.weight, self.root, self.comp):
            if theta is not None:
                nn.init.xavier_uniform_(theta)

    def forward(self, x: Tensor, adjacencies: Sequence[Adjacency]) -> Tensor:
        """Return (G, R, out) of x (G, R, in) and one adjacency (G, R, R) a relation."""
        check_finite("x", check_shape("x", x, (None, None, self.in_channels)), LIMIT)
        if len(adjacencies) != self.num_relations:
            raise ShapeMismatch(f"Expected {self.num_relations} adjacencies, one a relation; got {len(adjacencies)}.")
        terms = [
            adjacency.normalised(self.kind, self_loops=False) @ (x @ theta)
            for adjacency, theta in zip(adjacencies, self._thetas(), strict=True)
        ]
        terms += [] if self.root is None else [x @ self.root]
        y = torch.stack(terms).sum(0)
        return check_finite("The output of the convolution", y if self.bias is None else y + self.bias)

    def _thetas(self) -> Tensor:
        """One matrix a relation, (M, in, out)."""
        return self.weight if self.comp is None else torch.einsum("mb,bio->mio", self.comp, self.weight)
