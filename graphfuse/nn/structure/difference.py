"""Learned weights of absolute differences (GLCN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_option
from graphfuse.nn.structure.contract import enter, softmax_among

SIGNS = {"pos": torch.relu, "neg": lambda score: -torch.relu(score)}


def weighted_differences(h: Tensor, a: Tensor) -> Tensor:
    """Return ``a^T |h_i - h_j|``, (G, R, R), of h (G, R, D) and a (D,); the R x R x D differences are never stored."""
    up, down = h[..., a > 0] * a[a > 0], h[..., a < 0] * a[a < 0]
    return torch.cdist(up, up, p=1.0) - torch.cdist(down, down, p=1.0)


class DifferenceSimilarity(nn.Module):
    """Weights ``softmax_j ReLU(a^T |h_i - h_j|)`` with ``h = P x``.

    Rows sum to 1 over their candidates. As printed, nodes that differ more may hear each other more, where a > 0; with
    sign "neg", which is ours, the exponent is ``-ReLU(...)``. A pair whose sum is negative sends no gradient back:
    where all are, as a narrow h may start, rows are uniform and nothing is learned. Dense: R x R numbers a graph.

    Parameters
    ----------
    in_channels, out_channels : int
        Features of a node, F, and width of h, D.
    sign : {"pos", "neg"}
        Of the exponent.

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, MemoryBudget

    References
    ----------
    Jiang et al. (2019). Semi-supervised learning with graph learning-convolutional networks. CVPR; width and Glorot
    start of the authors' public code.
    """

    def __init__(self, in_channels: int, out_channels: int = 70, sign: str = "pos"):
        super().__init__()
        self.in_channels, self.sign = in_channels, check_option("sign", sign, SIGNS)
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.att = nn.Parameter(torch.empty(1, out_channels))
        for weight in (self.lin.weight, self.att):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return weights (G, R, R) of x (G, R, F) among the candidates (G, R, R)."""
        enter(x, candidates, self.in_channels)
        return softmax_among(SIGNS[self.sign](weighted_differences(self.lin(x), self.att[0])), candidates)

    def importance(self) -> Tensor:
        """Return how much each feature enters the weights, ``|P|^T |a|``, (F,), detached; the form is ours."""
        return (self.att.detach().abs() @ self.lin.weight.detach().abs())[0]
