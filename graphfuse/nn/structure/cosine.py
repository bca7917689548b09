"""Learned cosine similarity: with m weights a feature (IDGL), or after a projection (MMGL)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.nn.structure.contract import among, enter
from graphfuse.nn.structure.geometry import cosines, unit_rows


def above(similarity: Tensor, threshold: float) -> Tensor:
    """Return the similarities above the threshold, the others 0."""
    return torch.where(similarity > threshold, similarity, 0.0)


class WeightedCosine(nn.Module):
    """Weights ``s_ij = mean_p cos(w_p * x_i, w_p * x_j)``, kept above a threshold, else 0.

    A pair that is not kept sends no gradient back. Of wide standardised features few pairs have a cosine near 0.9:
    then a lower threshold lets the learner learn. Dense: R x R numbers a graph.

    Parameters
    ----------
    in_channels : int
        Features of a node, F.
    perspectives : int
        Weight vectors w_p, m.
    threshold : float
        In 0 .. 1; 0.9 is what the authors take for tables.

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, MemoryBudget

    References
    ----------
    Chen, Wu and Zaki (2020). Iterative deep graph learning for graph neural networks. NeurIPS. The number of
    perspectives is from memory.
    """

    def __init__(self, in_channels: int, perspectives: int = 4, threshold: float = 0.9):
        super().__init__()
        check_range("perspectives", perspectives, 1)
        self.in_channels, self.threshold = in_channels, check_range("threshold", threshold, 0.0, 1.0)
        self.weight = nn.Parameter(torch.empty(perspectives, in_channels))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return weights (G, R, R) of x (G, R, F) among the candidates (G, R, R)."""
        enter(x, candidates, self.in_channels)
        seen = unit_rows(x[:, :, None] * self.weight).flatten(2)  # (G, R, m F)
        similarity = seen @ seen.mT / len(self.weight)  # the mean over perspectives as one product
        return among(above(similarity, self.threshold), candidates)


class ProjectedCosine(nn.Module):
    """Weights ``s_ij = cos(P x_i, P x_j)``, kept above a threshold, else 0.

    A pair that is not kept sends no gradient back; see `WeightedCosine`. Dense: R x R numbers a graph.

    Parameters
    ----------
    in_channels, out_channels : int
        Features of a node, F, and rows of P.
    threshold : float
        In 0 .. 1.

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, MemoryBudget

    References
    ----------
    Zheng et al. (2022). Multi-modal graph learning for disease prediction. IEEE TMI; as in the authors' public code.
    """

    def __init__(self, in_channels: int, out_channels: int, threshold: float = 0.9):
        super().__init__()
        self.in_channels, self.threshold = in_channels, check_range("threshold", threshold, 0.0, 1.0)
        self.lin = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return weights (G, R, R) of x (G, R, F) among the candidates (G, R, R)."""
        enter(x, candidates, self.in_channels)
        return among(above(cosines(self.lin(x)), self.threshold), candidates)
