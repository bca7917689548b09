"""The graph transformer's convolution of Shi and others: dot-product attention over the edges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.kernels import Adjacency
from graphfuse.kernels.attention import attend
from graphfuse.kernels.finite import LIMIT, check_finite


class TransformerConv(nn.Module):
    """Dot-product attention ``Y_r = W_skip x_r + sum_s alpha_rs W_v x_s``.

    ``alpha_r = softmax_s (W_q x_r) . (W_k x_s) / sqrt(D)``.

    The softmax runs over the neighbours of r in each head; r itself enters by `root_weight`, and no self-loop is added.
    Weights of edges do not enter. Parameters are named as in ``torch_geometric.nn.TransformerConv`` and may be loaded
    from it; its `edge_dim` is not supported.

    Parameters
    ----------
    in_channels, out_channels : int
        `out_channels` is the width of one head, D.
    heads : int
    concat : bool
        Heads side by side (heads * out_channels), else their mean.
    beta : bool
        Mix the two terms, called m and r from right to left, by a gate ``sigmoid(w . [m, r, m - r])``; needs
        `root_weight`.
    dropout : float
        Probability with which an attention coefficient is dropped in training.
    bias : bool
    root_weight : bool
        Add the term of the node itself.

    References
    ----------
    Shi et al. (2021). Masked label prediction: unified message passing model for semi-supervised classification. IJCAI.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        heads: int = 1,
        concat: bool = True,
        beta: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        root_weight: bool = True,
    ):
        super().__init__()
        check_range("heads", heads, 1)
        self.heads, self.concat, self.root_weight = heads, concat, root_weight
        self.dropout = check_range("dropout", dropout, 0.0, 1.0)
        wide, out = heads * out_channels, heads * out_channels if concat else out_channels
        self.lin_key = nn.Linear(in_channels, wide, bias=bias)
        self.lin_query = nn.Linear(in_channels, wide, bias=bias)
        self.lin_value = nn.Linear(in_channels, wide, bias=bias)
        self.lin_skip = nn.Linear(in_channels, out, bias=bias)
        self.lin_beta = nn.Linear(3 * out, 1, bias=False) if beta and root_weight else None

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, heads * out), or (G, R, out) without `concat`, of x (G, R, in)."""
        check_finite("x", x, LIMIT)
        q, k, v = (
            lin(x).unflatten(-1, (self.heads, -1))  # (G, R, H, D)
            for lin in (self.lin_query, self.lin_key, self.lin_value)
        )
        y = attend(adjacency, q, k, v, dropout=self.dropout if self.training else 0.0)
        y = y.flatten(2) if self.concat else y.mean(2)
        return check_finite("The output of the convolution", self._with_root(y, x) if self.root_weight else y)

    def _with_root(self, y: Tensor, x: Tensor) -> Tensor:
        root = self.lin_skip(x)
        if self.lin_beta is None:
            return y + root
        beta = self.lin_beta(torch.cat([y, root, y - root], -1)).sigmoid()
        return beta * root + (1 - beta) * y
