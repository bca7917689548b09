"""Population graph: people are nodes, joined by alike imaging and alike phenotypes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import InvalidOption, NotFitted
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite

CHUNK = 1024  # rows of the similarity that exist at one time


class PopulationGraph(BaseEstimator):
    """Weights ``W_ij = Sim(x_i, x_j) * sum_h gamma_h(i, j)``, the k largest of each row, symmetrised by the maximum.

    ``Sim = exp(-rho^2 / (2 sigma^2))`` with ``rho = 1 - pearson(x_i, x_j)`` and ``sigma`` the mean of rho over all
    pairs of fitted subjects, the diagonal included. ``gamma_h`` is 1 where a categorical phenotype is equal or a
    quantitative one differs by less than its threshold, else 0; a missing value agrees with nobody. Only the
    phenotypes named here are read.

    Parameters
    ----------
    same : sequence of str
        Categorical phenotypes, for example ``("SITE_ID", "SEX")``.
    within : dict of str to float
        Quantitative phenotypes and the difference below which two people agree, for example ``{"AGE_AT_SCAN": 2.0}``.
    similarity : bool
        Weigh by imaging similarity; False = phenotypes only.
    neighbours : int
        Edges kept in a row.

    Notes
    -----
    Inductive: `attach` joins new people to the fitted ones only, one way; fitted rows never change.

    References
    ----------
    Parisot et al. 2018, Medical Image Analysis 48:117; the kernels as in the authors' public code.
    """

    uses_y, scope = False, "training"

    def __init__(
        self, same: Sequence[str] = (), within: dict[str, float] | None = None, similarity=True, neighbours=10
    ):
        self.same = same
        self.within = within
        self.similarity = similarity
        self.neighbours = neighbours

    @property
    def phenotypes_read(self) -> tuple[str, ...]:
        """The columns that edges are made of."""
        return (*self.same, *(self.within or {}))

    def fit(self, features: torch.Tensor, phenotypes: pd.DataFrame) -> PopulationGraph:
        """Take these people as the nodes: features (N, P), phenotypes (N, ·) in the same order."""
        check_range("neighbours", self.neighbours, 1)
        for name, width in (self.within or {}).items():
            check_range(f"within[{name!r}]", width, 0, open_low=True)
        check_shape("features", features, (len(phenotypes), None))
        self.units_ = _unit_rows(features)
        self.n_features_ = features.shape[1]
        self.levels_ = {name: _levels(phenotypes, name) for name in self.same}
        self.traits_ = self._traits(phenotypes)
        sigma = float(1 - self.units_.mean(0).square().sum())  # mean of 1 - <u_i, u_j> over all pairs
        self.sigma_ = sigma if sigma > 1e-6 else 1.0  # everybody alike, to rounding
        return self

    def _check_fitted(self) -> None:
        if not hasattr(self, "units_"):
            raise NotFitted("PopulationGraph has not been fitted; call fit(features, phenotypes) first.")

    def adjacency(self) -> Adjacency:
        """The graph of the fitted people, (1, N, N), symmetric, no self-loops."""
        self._check_fitted()
        n = len(self.units_)
        target, source, weight = self._strongest(self.units_, self.traits_, own=True)
        both = torch.stack([torch.cat([source, target]), torch.cat([target, source])])
        key, inverse = torch.unique(both[1] * n + both[0], return_inverse=True)
        largest = weight.new_zeros(len(key)).scatter_reduce_(0, inverse, torch.cat([weight, weight]), "amax")
        return Adjacency.from_edge_index(torch.stack([key % n, key // n]), largest, num_nodes=n)

    def attach(self, features: torch.Tensor, phenotypes: pd.DataFrame) -> Adjacency:
        """Fitted people and M new ones, (1, N + M, N + M): a new person listens to the k nearest fitted ones.

        Nobody listens to a new person, so the fitted rows and their degrees stay as they were.
        """
        self._check_fitted()
        check_shape("features", features, (len(phenotypes), self.n_features_))
        target, source, weight = self._strongest(_unit_rows(features), self._traits(phenotypes), own=False)
        shape = (len(features), len(self.units_))
        place = torch.stack([target, source])
        return self.adjacency().attach(torch.sparse_coo_tensor(place, weight, shape, check_invariants=True))

    def _strongest(self, units, traits, own: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Target, source and weight of the k heaviest edges of each row; weights of 0 are no edges."""
        k = min(self.neighbours, len(self.units_) - own)
        found = []
        for begin in range(0, len(units), CHUNK):
            weight = self._weights(
                units[begin : begin + CHUNK], {h: t[begin : begin + CHUNK] for h, t in traits.items()}
            )
            if own:
                weight[torch.arange(len(weight)), torch.arange(begin, begin + len(weight))] = 0
            value, source = weight.topk(k, dim=1)  # (chunk, k)
            target = torch.arange(begin, begin + len(weight))[:, None].expand_as(source)
            found.append((target[value > 0], source[value > 0], value[value > 0]))
        target, source, weight = (torch.cat(parts) for parts in zip(*found, strict=True))
        return target, source, weight

    def _weights(self, units: torch.Tensor, traits: dict[str, torch.Tensor]) -> torch.Tensor:
        """Rows of W: (chunk, N)."""
        rho = 1 - units @ self.units_.T
        weight = torch.exp(-(rho**2) / (2 * self.sigma_**2)) if self.similarity else torch.ones_like(rho)
        if not traits:
            return weight
        agreement = torch.zeros_like(rho)
        for name, value in traits.items():
            gap = (value[:, None] - self.traits_[name][None, :]).abs()
            agreement += gap < (self.within or {}).get(name, 0.5)  # codes of a category differ by 1 at least; NaN: no
        return weight * agreement

    def _traits(self, phenotypes: pd.DataFrame) -> dict[str, torch.Tensor]:
        traits = {}
        for name in (*self.same, *(self.within or {})):
            check_option("a phenotype of the population graph", name, list(phenotypes.columns))
            column = phenotypes[name]
            if name in self.same:  # a level that no fitted person has becomes NaN: it agrees with nobody
                column = _text(column).map(self.levels_[name])
            traits[name] = torch.as_tensor(_numbers(column))
        return traits


def _levels(phenotypes: pd.DataFrame, name: str) -> dict[str, float]:
    """Code of each value of a categorical phenotype, by its text."""
    check_option("a phenotype of the population graph", name, list(phenotypes.columns))
    return {level: float(i) for i, level in enumerate(sorted(_text(phenotypes[name]).dropna().unique()))}


def _text(column: pd.Series) -> pd.Series:
    """A category's values as text, NaN where missing; 1 is 1.0, which it becomes beside a missing value."""
    if pd.api.types.is_numeric_dtype(column):
        column = column.astype("Float64").astype(float)
    return column.astype(object).map(str).where(column.notna(), np.nan)


def _numbers(column: pd.Series) -> np.ndarray:
    """A quantitative phenotype (N,) float32, NaN where missing or infinite."""
    try:
        values = pd.to_numeric(column).astype("Float64").to_numpy(float, na_value=np.nan)
    except (TypeError, ValueError):
        raise InvalidOption(
            f"within={{{column.name!r}: ...}} needs numbers; this column holds text. Name it in `same`."
        ) from None
    return np.where(np.abs(values) <= LIMIT, values, np.nan).astype(np.float32)


def _unit_rows(features: torch.Tensor) -> torch.Tensor:
    """Rows centred and scaled to length 1, so that inner products are Pearson correlations; constant rows -> 0."""
    check_finite("features", features, LIMIT)
    centred = features - features.mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-12)
