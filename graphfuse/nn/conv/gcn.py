"""Graph convolution of Kipf and Welling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite


class GCNConv(nn.Module):
    """Graph convolution ``Y = D^-1/2 (A + I) D^-1/2 X W^T + b``, D of ``A + I``.

    Parameters are named as in ``torch_geometric.nn.GCNConv`` and may be loaded from it.

    Parameters
    ----------
    in_channels, out_channels : int
    bias : bool

    Raises
    ------
    NegativeWeights
        In `forward`, when the adjacency has a negative weight.

    References
    ----------
    Kipf and Welling (2017). Semi-supervised classification with graph convolutional networks. ICLR.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.xavier_uniform_(self.lin.weight)

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, out) of x (G, R, in)."""
        check_finite("x", x, LIMIT)
        operator = adjacency.normalised("sym")
        # The product over edges runs at the smaller of the two widths.
        y = self.lin(operator @ x) if self.in_channels < self.out_channels else operator @ self.lin(x)
        return check_finite("The output of the convolution", y if self.bias is None else y + self.bias)
