"""Chebyshev graph convolution of Defferrard and others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite


class ChebConv(nn.Module):
    """Chebyshev filter ``Y = sum_{k=0}^{order} T_k(L~) X W_k^T + b``.

    ``T_0 = I``, ``T_1 = L~``, ``T_k = 2 L~ T_{k-1} - T_{k-2}``; ``L~ = 2 L / lambda_max - I`` with
    ``L = I - D^-1/2 A D^-1/2``, self-loops left out. `order` is the highest degree, so that there are ``order + 1``
    terms: ``torch_geometric.nn.ChebConv(K=order + 1)``, ``max_degree=order`` of Parisot and others. Parameters are
    named as in PyTorch Geometric and may be loaded from it.

    Parameters
    ----------
    in_channels, out_channels : int
    order : int
        Highest polynomial degree, >= 0.
    bias : bool
    lambda_max : float
        Largest eigenvalue of L, or its bound 2.

    Raises
    ------
    InvalidOption
        A negative order.
    NegativeWeights
        In `forward`, when the adjacency has a negative weight.

    References
    ----------
    Defferrard, Bresson and Vandergheynst (2016). Convolutional neural networks on graphs with fast localized
    spectral filtering. NeurIPS.
    """

    def __init__(self, in_channels: int, out_channels: int, order: int = 3, bias: bool = True, lambda_max: float = 2.0):
        super().__init__()
        check_range("order", order, 0)
        self.in_channels, self.out_channels, self.lambda_max = in_channels, out_channels, lambda_max
        self.lins = nn.ModuleList(nn.Linear(in_channels, out_channels, bias=False) for _ in range(order + 1))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        for lin in self.lins:
            nn.init.xavier_uniform_(lin.weight)

    @property
    def hops(self) -> int:
        """How many edges away a node is still heard."""
        return len(self.lins) - 1

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, out) of x (G, R, in)."""
        check_finite("x", x, LIMIT)
        laplacian = adjacency.laplacian(self.lambda_max)
        filtered = self._clenshaw if self.out_channels < self.in_channels else self._recurrence
        y = filtered(x, laplacian)
        return check_finite("The output of the convolution", y if self.bias is None else y + self.bias)

    def _recurrence(self, x: Tensor, laplacian) -> Tensor:
        """Sum ``T_k X W_k`` from the lowest degree: products over edges at the width of the input."""
        y, before, term = self.lins[0](x), None, x
        for lin in self.lins[1:]:
            step = laplacian @ term
            before, term = term, step if before is None else 2.0 * step - before
            y = y + lin(term)
        return y

    def _clenshaw(self, x: Tensor, laplacian) -> Tensor:
        """The same sum at the width of the output, from the top: ``b_k = X W_k + 2 L~ b_{k+1} - b_{k+2}``."""
        after, last = None, None  # b_{k+2}, b_{k+1}
        for degree in range(len(self.lins) - 1, -1, -1):
            term = self.lins[degree](x)
            if last is not None:
                term = term + (2.0 if degree else 1.0) * (laplacian @ last)
            if after is not None:
                term = term - after
            after, last = last, term
        return last  # y = b_0 with a single L~: X W_0 + L~ b_1 - b_2
