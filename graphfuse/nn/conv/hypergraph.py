"""Hypergraph convolution of Feng and others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_shape
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.kernels.hypergraph import Hypergraph


class HypergraphConv(nn.Module):
    """Hypergraph convolution ``Y = Dv^-1/2 H W De^-1 H^T Dv^-1/2 X Theta^T + b``.

    Parameters are named as in ``torch_geometric.nn.HypergraphConv`` and may be loaded from it, but PyG's layer is
    another operator, ``Dv^-1 H W De^-1 H^T``; the two are the same only where every node has the same degree.

    Parameters
    ----------
    in_channels, out_channels : int
    bias : bool

    References
    ----------
    Feng, You, Zhang, Ji and Gao (2019). Hypergraph neural networks. AAAI.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.xavier_uniform_(self.lin.weight)

    def forward(self, x: Tensor, hypergraph: Hypergraph | Adjacency) -> Tensor:
        """Return (G, R, out) of x (G, R, in).

        Parameters
        ----------
        x : Tensor (G, R, in)
        hypergraph : Hypergraph or Adjacency (G, R, R)
            ``Hypergraph.of(incidence)``, or the same operator stored as weights between nodes
            (`graphfuse.graph.hypergraph.theta`); an adjacency is multiplied as it is, it is not normalised again.
        """
        check_finite("x", x, LIMIT)
        check_shape("x", x, (*hypergraph.shape[:2], self.in_channels))
        # The two products over memberships run at the smaller of the two widths.
        y = self.lin(hypergraph @ x) if self.in_channels < self.out_channels else hypergraph @ self.lin(x)
        return check_finite("The output of the convolution", y if self.bias is None else y + self.bias)
