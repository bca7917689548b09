"""GCNII of Chen and others: deep graph convolution that remembers its input."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite


class GCNIIConv(nn.Module):
    """GCNII layer ``Y = ((1 - alpha) A^ X + alpha X_0) ((1 - beta) I + beta W_1)``, ``beta = log(theta / layer + 1)``.

    ``A^ = D^-1/2 (A + I) D^-1/2``. The activation is the caller's. With `shared_weights` False the term of X_0 has a
    matrix of its own, ``(1 - alpha) A^ X M(W_1) + alpha X_0 M(W_2)``, ``M(W) = (1 - beta) I + beta W``: the source's
    variant "GCNII*". Parameters are named as in ``torch_geometric.nn.GCN2Conv`` and may be loaded from it; theta is the
    source's lambda.

    Parameters
    ----------
    channels : int
        Width of X, X_0 and Y.
    alpha : float
        Share of X_0, in 0 .. 1.
    theta : float
        > 0; with the layer it sets how far the matrix may lie from the identity.
    layer : int
        1 for the first layer, 2 for the next, ...
    shared_weights : bool

    Raises
    ------
    InvalidOption
        alpha, theta or layer out of range.
    NegativeWeights
        In `forward`, when the adjacency has a negative weight.

    References
    ----------
    Chen, Wei, Huang, Ding and Li (2020). Simple and deep graph convolutional networks. ICML.
    """

    def __init__(
        self, channels: int, alpha: float = 0.1, theta: float = 0.5, layer: int = 1, shared_weights: bool = True
    ):
        super().__init__()
        check_range("theta", theta, 0.0, open_low=True)
        self.in_channels = self.out_channels = channels
        self.alpha = check_range("alpha", alpha, 0.0, 1.0)
        self.beta = log(theta / check_range("layer", layer, 1) + 1)
        self.weight1 = nn.Parameter(torch.empty(channels, channels))
        self.weight2 = None if shared_weights else nn.Parameter(torch.empty(channels, channels))
        for weight in self.parameters():
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, x_0: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, channels) of x and x_0 (G, R, channels)."""
        check_finite("x", x, LIMIT)
        check_finite("x_0", check_shape("x_0", x_0, tuple(x.shape)), LIMIT)
        heard, kept = (1 - self.alpha) * (adjacency.normalised("sym") @ x), self.alpha * x_0
        if self.weight2 is None:
            y = self._near_identity(heard + kept, self.weight1)
        else:
            y = self._near_identity(heard, self.weight1) + self._near_identity(kept, self.weight2)
        return check_finite("The output of the convolution", y)

    def _near_identity(self, x: Tensor, weight: Tensor) -> Tensor:
        return (1 - self.beta) * x + self.beta * (x @ weight)
