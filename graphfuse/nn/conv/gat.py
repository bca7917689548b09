"""Graph attention of Velickovic and others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.kernels import Adjacency, edge_softmax_attention
from graphfuse.kernels.finite import LIMIT, check_finite


class GATConv(nn.Module):
    """Graph attention ``Y_r = sum_s alpha_rs W x_s + b``.

    ``alpha_r = softmax_s LeakyReLU(a_dst . W x_r + a_src . W x_s)``.

    The softmax runs over the neighbours of r and r itself, in each head; weights of edges do not enter, so negative
    ones are allowed. Parameters are named as in ``torch_geometric.nn.GATConv`` and may be loaded from it.

    Parameters
    ----------
    in_channels, out_channels : int
        `out_channels` is the width of one head.
    heads : int
    concat : bool
        Heads side by side (heads * out_channels), else their mean.
    negative_slope : float
    dropout : float
        Probability with which an attention coefficient is dropped in training.
    bias : bool

    References
    ----------
    Velickovic et al. (2018). Graph attention networks. ICLR.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        bias: bool = True,
    ):
        super().__init__()
        check_range("heads", heads, 1)
        self.heads, self.concat = heads, concat
        self.negative_slope, self.dropout = negative_slope, check_range("dropout", dropout, 0.0, 1.0)
        self.lin = nn.Linear(in_channels, heads * out_channels, bias=False)
        self.att_src = nn.Parameter(torch.empty(1, heads, out_channels))
        self.att_dst = nn.Parameter(torch.empty(1, heads, out_channels))
        self.bias = nn.Parameter(torch.zeros(heads * out_channels if concat else out_channels)) if bias else None
        for weight in (self.lin.weight, self.att_src, self.att_dst):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, heads * out), or (G, R, out) without `concat`, of x (G, R, in)."""
        check_finite("x", x, LIMIT)
        v = self.lin(x).unflatten(-1, (self.heads, -1))  # (G, R, H, D)
        y = edge_softmax_attention(
            adjacency.with_self_loops(),
            (v * self.att_dst).sum(-1),
            (v * self.att_src).sum(-1),
            v,
            self.negative_slope,
            self.dropout if self.training else 0.0,
        )
        y = y.flatten(2) if self.concat else y.mean(2)
        return check_finite("The output of the convolution", y if self.bias is None else y + self.bias)
