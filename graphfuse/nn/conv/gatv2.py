"""Graph attention of Brody and others, whose ranking of neighbours depends on the target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.kernels import Adjacency
from graphfuse.kernels.attention import attend
from graphfuse.kernels.finite import LIMIT, check_finite


class GATv2Conv(nn.Module):
    """Graph attention ``Y_r = sum_s alpha_rs W_l x_s + b``.

    ``alpha_r = softmax_s a . LeakyReLU(W_r x_r + W_l x_s)``.

    The softmax runs over the neighbours of r and r itself, in each head; weights of edges do not enter, so negative
    ones are allowed. Parameters are named as in ``torch_geometric.nn.GATv2Conv`` and may be loaded from it; its
    `edge_dim` and `residual` are not supported.

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
    share_weights : bool
        One matrix for targets and sources, ``W_r = W_l``.

    References
    ----------
    Brody, Alon and Yahav (2022). How attentive are graph attention networks? ICLR.
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
        share_weights: bool = False,
    ):
        super().__init__()
        check_range("heads", heads, 1)
        self.heads, self.concat = heads, concat
        self.negative_slope, self.dropout = negative_slope, check_range("dropout", dropout, 0.0, 1.0)
        self.lin_l = nn.Linear(in_channels, heads * out_channels, bias=bias)
        self.lin_r = self.lin_l if share_weights else nn.Linear(in_channels, heads * out_channels, bias=bias)
        self.att = nn.Parameter(torch.empty(1, heads, out_channels))
        self.bias = nn.Parameter(torch.zeros(heads * out_channels if concat else out_channels)) if bias else None
        for weight in (self.lin_l.weight, self.lin_r.weight, self.att):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, heads * out), or (G, R, out) without `concat`, of x (G, R, in)."""
        check_finite("x", x, LIMIT)
        v = self.lin_l(x).unflatten(-1, (self.heads, -1))  # (G, R, H, D)
        q = v if self.lin_r is self.lin_l else self.lin_r(x).unflatten(-1, (self.heads, -1))
        dropout = self.dropout if self.training else 0.0
        y = attend(
            adjacency.with_self_loops(), q, v, v, self.att[0], negative_slope=self.negative_slope, dropout=dropout
        )
        y = y.flatten(2) if self.concat else y.mean(2)
        return check_finite("The output of the convolution", y if self.bias is None else y + self.bias)
