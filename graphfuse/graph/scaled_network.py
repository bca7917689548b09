"""Network of people in one modality: similarities on the scale of each one's neighbourhood."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import torch
from torch import Tensor

from graphfuse.graph.measured import distances

TINY = torch.finfo(torch.float64).eps  # of a distance, so that people who are equal have a similarity too


def neighbour_distance(distance: Tensor, neighbours: int) -> Tensor:
    """Mean (M,) of the `neighbours` smallest of each row of distances (M, N); 0 where there is nobody."""
    near = distance.sort(1).values[:, :neighbours]
    return near.sum(1) / max(near.shape[1], 1)


def scaled_similarity(distance: Tensor, row: Tensor, column: Tensor, mu: float) -> Tensor:
    """Similarity ``w_ij``, the density at ``rho_ij`` of a normal of mean 0 and deviation ``mu eps_ij``.

    ``eps_ij = (row_i + column_j + rho_ij) / 3`` is the local scale.

    Parameters
    ----------
    distance : Tensor (M, N)
        rho.
    row : Tensor (M,)
    column : Tensor (N,), or (M, 1) for one column
        Mean distance of each person to the own nearest neighbours.
    mu : float
        Width of the kernel.

    References
    ----------
    Wang et al. (2014). Nature Methods 11:333, eq. (1); the density in the place of ``exp(-rho^2 / (mu eps))`` as in
    the released code.
    """
    deviation = mu * ((row[:, None] + column + distance) / 3 + TINY)
    return torch.exp(-((distance / deviation) ** 2) / 2) / (deviation * sqrt(2 * pi))


@dataclass(frozen=True, eq=False)
class ScaledNetwork:
    """Similarities of N fitted people in one modality, and of new people to them; made by `of`.

    Parameters
    ----------
    rows : Tensor (N, P) float64
        Standardised features.
    has : bool Tensor (N,)
        Who has the modality; nobody else enters anywhere.
    mean, deviation : Tensor (P,)
        Of the features of who has it.
    near : Tensor (N,)
        Mean distance to the nearest neighbours; 0 where missing.
    neighbours : int
    mu : float
    """

    rows: Tensor
    has: Tensor
    mean: Tensor
    deviation: Tensor
    near: Tensor
    neighbours: int
    mu: float

    @classmethod
    def of(cls, rows: Tensor, has: Tensor, neighbours: int, mu: float) -> tuple[ScaledNetwork, Tensor]:
        """Fit the scale of the features, and of each neighbourhood, on the people who have the modality.

        Returns
        -------
        network : ScaledNetwork
        weight : Tensor (N, N)
            Similarities of these people, each one's with herself on the diagonal; 0 where missing.
        """
        mean, deviation = _moments(rows[has])
        standard = (rows - mean) / deviation
        distance = distances(standard[has], standard[has])
        near = rows.new_zeros(len(rows))
        near[has] = neighbour_distance(_without_diagonal(distance), neighbours)
        network = cls(standard, has, mean, deviation, near, neighbours, mu)
        return network, network._spread(distance, near[has], has)

    def weight_of(self, rows: Tensor, has: Tensor) -> tuple[Tensor, Tensor]:
        """Similarities of new people to the fitted ones, (M, N), and to themselves, (M,); 0 where missing."""
        standard = (rows[has] - self.mean) / self.deviation
        distance = distances(standard, self.rows[self.has])
        near = neighbour_distance(distance, self.neighbours)
        own = rows.new_zeros(len(rows))
        own[has] = scaled_similarity(rows.new_zeros(len(near), 1), near, near[:, None], self.mu)[:, 0]
        return self._spread(distance, near, has), own

    def _spread(self, distance: Tensor, near: Tensor, has: Tensor) -> Tensor:
        """Similarities (M, N), 0 where missing, of distances from those of M who have the modality to those of N."""
        weight = distance.new_zeros(len(has), len(self.has))
        places = has.nonzero(), self.has.nonzero()[:, 0]
        weight[places] = scaled_similarity(distance, near, self.near[self.has], self.mu)
        return weight


def _moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (P,) of rows (Z, P); 0 and 1 where there is nothing to scale by."""
    if not len(rows):
        return rows.new_zeros(rows.shape[1]), rows.new_ones(rows.shape[1])
    deviation = rows.std(0, correction=min(1, len(rows) - 1))
    return rows.mean(0), torch.where(deviation > TINY * rows.abs().amax(0), deviation, 1.0)


def _without_diagonal(distance: Tensor) -> Tensor:
    """Distances (N, N - 1) to everybody else."""
    people = len(distance)
    return distance[~torch.eye(people, dtype=torch.bool)].view(people, max(people - 1, 0))
