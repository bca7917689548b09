"""A Gaussian kernel whose metric is learned."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.nn.structure.contract import among, enter
from graphfuse.nn.structure.geometry import squared_euclidean


class GaussianSimilarity(nn.Module):
    """Weights ``exp(-||P (x_i - x_j)||^2 / (2 sigma^2))``: a learned Mahalanobis distance of matrix ``P^T P``.

    P and the width sigma are both learned. Weights lie in 0 .. 1 and the graph is symmetric. Dense: R x R numbers a
    graph.

    Parameters
    ----------
    in_channels, out_channels : int
        Features of a node, F, and rows D of P.
    sigma : float or None
        The width at the start. None = sqrt(2 D), so that standardised features start at weights near 1 / e; the source
        gives no scale, this is ours.

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, MemoryBudget

    References
    ----------
    Chen, Wu and Zaki (2020). Iterative deep graph learning for graph neural networks. NeurIPS (the "kernel" metric of
    the authors' public code).
    """

    def __init__(self, in_channels: int, out_channels: int, sigma: float | None = None):
        super().__init__()
        sigma = (2 * out_channels) ** 0.5 if sigma is None else check_range("sigma", sigma, 0.0, open_low=True)
        self.in_channels = in_channels
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        nn.init.xavier_normal_(self.lin.weight)
        self.log_sigma = nn.Parameter(torch.tensor(log(sigma)))

    def forward(self, x: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return weights (G, R, R) of x (G, R, F) among the candidates (G, R, R)."""
        enter(x, candidates, self.in_channels)
        scaled = self.lin(x) * torch.exp(-self.log_sigma)  # (G, R, D), in units of sigma
        return among(torch.exp(-squared_euclidean(scaled) / 2), candidates)
