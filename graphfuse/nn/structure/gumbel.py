"""Sampled neighbours: the discrete differentiable graph module."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from graphfuse._check import check_option, check_range
from graphfuse.kernels.finite import check_finite
from graphfuse.nn.structure.contract import enter
from graphfuse.nn.structure.geometry import DISTANCES
from graphfuse.nn.structure.nearest import best_first

BOUND = 5.0  # of the logarithm of the temperature, either way


class SampledEdges(NamedTuple):
    """Whom each node hears, and how likely that was.

    Parameters
    ----------
    weight : tensor (G, R, R)
        1 where i hears j, else 0, without gradient.
    neighbours : int64 tensor (G, R, k)
        The likeliest first, noise included; -1 where a node has fewer than k candidates.
    log_p : tensor (G, R, k)
        ``log p_ij`` of each, with gradients, not normalised; 0 where there is none.
    """

    weight: Tensor
    neighbours: Tensor
    log_p: Tensor


def gumbel_like(x: Tensor) -> Tensor:
    """Return draws of the Gumbel distribution, of the shape of x, from torch's generator."""
    return -torch.empty_like(x).exponential_().clamp(min=torch.finfo(x.dtype).tiny).log()


class GumbelTopK(nn.Module):
    """k neighbours a node by the Gumbel trick on ``log p_ij = -exp(clip(t, -5, 5)) d(x_i, x_j)^2``.

    In training a Gumbel draw is added to each, so that neighbours are drawn without replacement; in evaluation the k
    likeliest are taken (the authors average ten samples). The choice has no gradient: `log_p` is what a REINFORCE loss
    learns from, ``sum_i reward_i sum_j log p_ij``. A node is a neighbour of its own unless the candidates forbid it.
    Dense: R x R numbers a graph.

    Parameters
    ----------
    neighbours : int
        k.
    temperature : float
        t at the start; ours.
    distance : {"euclidean", "poincare"}

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, MemoryBudget

    References
    ----------
    Kazi et al. (2022). Differentiable graph module (DGM) for graph convolutional networks. IEEE TPAMI.
    Kool, van Hoof and Welling (2019). Stochastic beams and where to find them. ICML.
    """

    def __init__(self, neighbours: int = 5, temperature: float = 1.0, distance: str = "euclidean"):
        super().__init__()
        self.neighbours = check_range("neighbours", neighbours, 1)
        self.distance = check_option("distance", distance, DISTANCES)
        self.temperature = nn.Parameter(torch.tensor(float(temperature)))

    def log_probability(self, x: Tensor) -> Tensor:
        """Return ``log p_ij``, not normalised, (G, R, R), of x (G, R, F)."""
        logit = -self.temperature.clamp(-BOUND, BOUND).exp() * DISTANCES[self.distance](x)
        return check_finite("Logarithms of the edges' probabilities", logit)

    def sample(self, x: Tensor, candidates: Tensor | None = None) -> SampledEdges:
        """Return `SampledEdges` of x (G, R, F) among the candidates (G, R, R)."""
        enter(x, candidates)
        log_p = self.log_probability(x)
        score = log_p + gumbel_like(log_p) if self.training else log_p
        place, exist = best_first(score, candidates, self.neighbours)
        weight = torch.zeros_like(log_p).scatter_add(-1, place, exist.to(log_p.dtype))
        log_p = torch.where(exist, log_p.gather(-1, place), 0.0)
        return SampledEdges(weight, torch.where(exist, place, -1), log_p)

    def forward(self, x: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return the weights of `sample` alone, (G, R, R): 0 or 1, without gradient."""
        return self.sample(x, candidates).weight
