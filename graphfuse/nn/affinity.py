"""Affinities of people that are recomputed while a network learns, and one-way graphs made of them.

All are (N, n): row i says how much person i may hear each of the first n, the fitted people. Row i is made of person i
and of the fitted ones, so that somebody attached changes nobody else's row.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.population import Population
from graphfuse.nn.structure.bank import ALIKE, centred_units


def correlation_affinity(x: Tensor, fitted: int) -> Tensor:
    """Return ``exp(-rho_ij^2 / (2 sigma^2))``, ``rho_ij = 1 - pearson(x_i, x_j)``, (N, n).

    sigma is the mean of rho over all pairs of fitted people, the diagonal included; 1 where they are all alike.

    Parameters
    ----------
    x : tensor (N, P)
        A constant row correlates with nobody.
    fitted : int
        n.

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch

    References
    ----------
    Parisot et al. (2018). Medical Image Analysis 48:117; the kernel as in the authors' public code.
    """
    check_finite("x", check_shape("x", x, (None, None)), LIMIT)
    check_range("fitted", fitted, 1, len(x))
    units = centred_units(x)
    known = units[:fitted]
    sigma = 1.0 - known.mean(0).square().sum()  # the mean of 1 - <u_i, u_j> over all pairs
    sigma = torch.where(sigma > ALIKE, sigma, 1.0)
    return torch.exp(-(1.0 - units @ known.T).square() / (2.0 * sigma.square()))


def shared_phenotypes(population: Population) -> Tensor:
    """Return on how many phenotypes each person agrees with the fitted ones, (N, n), 0 with oneself.

    Where no two fitted people agree on anything, such as when no phenotype is read, everybody agrees once.
    """
    n = population.fitted
    agreement = population.agreement[:, :n]
    if agreement[:n].any():
        return agreement
    return torch.ones_like(agreement).fill_diagonal_(0)


def strongest(weight: Tensor, k: int | None) -> Tensor:
    """Return weights (N, n) with 0 but at the k largest of each row; among fitted people one of the two suffices.

    With symmetric weights of the fitted people this is the graph of k nearest neighbours symmetrised by the maximum.
    None keeps all.
    """
    if k is None or k >= weight.shape[1]:
        return weight
    check_range("k", k, 1)
    place = weight.detach().topk(k, 1).indices
    kept = torch.zeros_like(weight, dtype=torch.bool).scatter_(1, place, True)
    n = weight.shape[1]
    kept[:n] |= kept[:n].T.clone()
    return torch.where(kept, weight, 0.0)


def one_way(weight: Tensor) -> Adjacency:
    """Return the graph (1, N, N) of weights (N, n): nobody hears those after the first n, whose degrees stay."""
    n = weight.shape[1]
    return Adjacency.from_dense(weight[:n]).attach(weight[n:])
