"""A soft threshold on distances: the continuous differentiable graph module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_option
from graphfuse.nn.structure.contract import among, enter
from graphfuse.nn.structure.geometry import DISTANCES


class ContinuousDGM(nn.Module):
    """Weights ``sigmoid(t (|theta| - d(x_i, x_j)^2))`` with t and theta learned.

    Weights lie in 0 .. 1 and the graph is symmetric. The distance is squared as in the authors' code, which also
    centres and scales x by its first batch; here the caller standardises. Dense: R x R numbers a graph.

    Parameters
    ----------
    threshold, temperature : float
        theta and t at the start, from memory of the authors' code.
    distance : {"euclidean", "poincare"}

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, MemoryBudget

    References
    ----------
    Kazi et al. (2022). Differentiable graph module (DGM) for graph convolutional networks. IEEE TPAMI.
    """

    def __init__(self, threshold: float = 0.5, temperature: float = 1.0, distance: str = "euclidean"):
        super().__init__()
        self.distance = check_option("distance", distance, DISTANCES)
        self.threshold = nn.Parameter(torch.tensor(float(threshold)))
        self.temperature = nn.Parameter(torch.tensor(float(temperature)))

    def forward(self, x: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return weights (G, R, R) of x (G, R, F) among the candidates (G, R, R)."""
        enter(x, candidates)
        margin = self.threshold.abs() - DISTANCES[self.distance](x)
        return among(torch.sigmoid(self.temperature * margin), candidates)
