"""Population graph: people are nodes, joined by alike imaging and alike phenotypes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from sklearn.base import BaseEstimator

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import NotFitted
from graphfuse.graph.agreement import codes, levels, traits
from graphfuse.graph.nearest import SEARCHES, TILE, Edges, agreeing, onto, symmetric
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.codes import Codes
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.kernels.topk import most_agreeing

CHUNK = TILE  # people a side of the correlations that exist at one time


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
    neighbours : int or None
        Edges kept in a row; equal weights go by position. None: all of them.
    search : {"exact", "approximate"}
        How the fitted people find their neighbours: among all pairs, or among candidates found by NN-descent, which
        grows with N log N instead of N^2 (needs pynndescent, ``pip install graphfuse[approximate]``). What is lost:
        a person who is no candidate is missed, such as one who agrees on the phenotypes and has less alike imaging.
        Without `similarity` edges are exact either way.
    candidates : int
        Candidates for each edge of the approximate search.
    random_state : int
        Of the approximate search.

    Notes
    -----
    Inductive: `attach` joins new people to the fitted ones only, one way; fitted rows never change.

    References
    ----------
    Parisot et al. 2018, Medical Image Analysis 48:117; the kernels as in the authors' public code.
    """

    uses_y, scope = False, "training"

    def __init__(
        self,
        same: Sequence[str] = (),
        within: dict[str, float] | None = None,
        similarity=True,
        neighbours=10,
        search: str = "exact",
        candidates: int = 3,
        random_state: int = 0,
    ):
        self.same = same
        self.within = within
        self.similarity = similarity
        self.neighbours = neighbours
        self.search = search
        self.candidates = candidates
        self.random_state = random_state

    @property
    def phenotypes_read(self) -> tuple[str, ...]:
        """The columns that edges are made of."""
        return (*self.same, *(self.within or {}))

    def fit(self, features: torch.Tensor, phenotypes: pd.DataFrame) -> PopulationGraph:
        """Take these people as the nodes: features (N, P), phenotypes (N, ·) in the same order."""
        check_option("search", self.search, SEARCHES)
        check_range("neighbours", self._most, 1)
        check_range("candidates", self.candidates, 1)
        for name, width in (self.within or {}).items():
            check_range(f"within[{name!r}]", width, 0, open_low=True)
        check_range("the number of people", len(phenotypes), 1)
        check_shape("features", features, (len(phenotypes), None))
        self.units_ = _unit_rows(features)
        self.n_features_ = features.shape[1]
        self.levels_ = levels(phenotypes, self.same)
        self.traits_ = traits(phenotypes, self.levels_, self.within or {})
        sigma = float(1 - self.units_.mean(0).square().sum())  # mean of 1 - <u_i, u_j> over all pairs
        self.sigma_ = sigma if sigma > 1e-6 else 1.0  # everybody alike, to rounding
        return self

    def _check_fitted(self) -> None:
        if not hasattr(self, "units_"):
            raise NotFitted("PopulationGraph has not been fitted; call fit(features, phenotypes) first.")

    def adjacency(self) -> Adjacency:
        """The graph of the fitted people, (1, N, N), symmetric, no self-loops."""
        self._check_fitted()
        edge_index, weight = symmetric(self._among_fitted(min(self._most, len(self.units_) - 1)))
        return Adjacency.from_edge_index(edge_index, weight, num_nodes=len(self.units_))

    def attach(self, features: torch.Tensor, phenotypes: pd.DataFrame, fitted: Adjacency | None = None) -> Adjacency:
        """Fitted people and M new ones, (1, N + M, N + M): a new person listens to the k nearest fitted ones.

        Nobody listens to a new person, so the fitted rows and their degrees stay as they were. New people are
        compared with every fitted one, whatever the search.

        Parameters
        ----------
        features : tensor (M, P)
        phenotypes : DataFrame (M, ·)
        fitted : Adjacency or None
            What `adjacency` returned, so that it need not be found again.
        """
        self._check_fitted()
        check_shape("features", features, (len(phenotypes), self.n_features_))
        source, weight = self._from_fitted(_unit_rows(features), traits(phenotypes, self.levels_, self.within or {}))
        kept = weight > 0
        place = torch.stack([kept.nonzero()[:, 0], source[kept].long()])
        shape = (len(features), len(self.units_))
        rows = torch.sparse_coo_tensor(place, weight[kept], shape, check_invariants=True)
        return (self.adjacency() if fitted is None else fitted).attach(rows)

    def _among_fitted(self, k: int) -> Edges:
        """The k heaviest edges of each fitted person."""
        mine = self._codes(self.traits_, len(self.units_))
        if not self.similarity:
            return agreeing(mine, k)
        search, settings = SEARCHES[self.search]
        settings = {name: getattr(self, name) for name in settings}
        return search(self.units_, mine, self._scale, k, CHUNK, **settings)

    def _from_fitted(self, units: torch.Tensor, numbers: dict[str, torch.Tensor]) -> Edges:
        """The k heaviest edges of each new person."""
        k = min(self._most, len(self.units_))
        new, mine = self._codes(numbers, len(units)), self._codes(self.traits_, len(self.units_))
        if not self.similarity:
            return most_agreeing(new, mine, k)
        return onto(units, new, self.units_, mine, self._scale, k, CHUNK)

    def _codes(self, numbers: dict[str, torch.Tensor], n: int) -> Codes:
        return codes(numbers, self.levels_, self.within or {}, n)

    @property
    def _most(self) -> float:
        return float("inf") if self.neighbours is None else self.neighbours

    @property
    def _scale(self) -> float:
        return 1 / (2 * self.sigma_**2)


def _unit_rows(features: torch.Tensor) -> torch.Tensor:
    """Rows centred and scaled to length 1, so that inner products are Pearson correlations; constant rows -> 0."""
    check_finite("features", features, LIMIT)
    centred = features.detach() - features.detach().mean(1, keepdim=True)
    return centred.div_(centred.norm(dim=1, keepdim=True).clamp(min=1e-12)).float()
