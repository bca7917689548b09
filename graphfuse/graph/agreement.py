"""Phenotype columns of a table as numbers that agree or not; a missing value agrees with nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from graphfuse._check import check_option, check_range
from graphfuse.errors import InvalidOption
from graphfuse.kernels.codes import Codes
from graphfuse.kernels.finite import LIMIT


class Agreement(BaseEstimator):
    """On how many phenotypes two people agree: ``sum_h gamma_h(i, j)``, all pairs, (N, N).

    ``gamma_h`` is 1 where a categorical phenotype is equal or a quantitative one differs by less than its threshold,
    else 0; a missing value agrees with nobody, and nobody is his own neighbour. Without any phenotype everybody agrees
    once, as in `PopulationGraph`.

    Parameters
    ----------
    same : sequence of str
        Categorical phenotypes.
    within : dict of str to float or None
        Quantitative phenotypes and the difference below which two people agree.
    """

    uses_y, scope = False, "training"

    def __init__(self, same: Sequence[str] = (), within: Mapping[str, float] | None = None):
        self.same = same
        self.within = within

    @property
    def phenotypes_read(self) -> tuple[str, ...]:
        """The columns that are compared."""
        return (*self.same, *(self.within or {}))

    def fit(self, phenotypes: pd.DataFrame) -> Agreement:
        """Take these people, (N, .), as the ones to agree with."""
        for name, width in (self.within or {}).items():
            check_range(f"within[{name!r}]", width, 0, open_low=True)
        self.levels_ = levels(phenotypes, self.same)
        self.traits_ = traits(phenotypes, self.levels_, self.within or {})
        self.count_ = len(phenotypes)
        return self

    def matrix(self) -> Tensor:
        """Among the fitted people, (N, N), symmetric."""
        return self._with(self.traits_, self.count_).fill_diagonal_(0)

    def attached(self, phenotypes: pd.DataFrame) -> Tensor:
        """The fitted people and M new ones, (N + M, N + M); the columns of new ones are 0."""
        n, m = self.count_, len(phenotypes)
        whole = torch.zeros(n + m, n + m)
        whole[:n, :n] = self.matrix()
        whole[n:, :n] = self._with(traits(phenotypes, self.levels_, self.within or {}), m)
        return whole

    def _with(self, numbers: dict[str, Tensor], m: int) -> Tensor:
        """Agreement of M people with the fitted ones, (M, N)."""
        if not numbers:
            return torch.ones(m, self.count_)
        total = torch.zeros(m, self.count_)
        for name, own in numbers.items():
            gap = (own[:, None] - self.traits_[name][None, :]).abs()  # NaN, where a value is missing, is below nothing
            total += gap == 0 if name in self.levels_ else gap < (self.within or {})[name]
        return total


def levels(phenotypes: pd.DataFrame, same: Sequence[str]) -> dict[str, dict[str, float]]:
    """Code of each value of each categorical phenotype, by its text."""
    return {name: _levels(_column(phenotypes, name)) for name in same}


def traits(phenotypes: pd.DataFrame, known: dict[str, dict[str, float]], within: dict[str, float]) -> dict[str, Tensor]:
    """Numbers of each phenotype, float32 (N,): codes of the `known` levels, quantities of `within`; NaN = missing.

    A level that is not known becomes NaN: it agrees with nobody.

    Raises
    ------
    InvalidOption
        A column that the table lacks, or a quantity that holds text.
    """
    numbers = {name: _known(_column(phenotypes, name), codes) for name, codes in known.items()}
    numbers |= {name: _numbers(_column(phenotypes, name)) for name in within if name not in known}
    return {name: torch.as_tensor(column) for name, column in numbers.items()}


def codes(numbers: dict[str, Tensor], known: dict[str, dict[str, float]], within: dict[str, float], n: int) -> Codes:
    """Pack the traits of `n` people for the kernels, one row a phenotype."""
    quantities = [name for name in within if name not in known]
    return Codes(
        _stacked([numbers[name].nan_to_num(-1) for name in known], n).int(),
        _stacked([numbers[name] for name in quantities], n),
        torch.tensor([float(within[name]) for name in quantities], dtype=torch.float64).float(),
    )


def _stacked(rows: list[Tensor], n: int) -> Tensor:
    return torch.stack(rows) if rows else torch.zeros(0, n)


def _column(phenotypes: pd.DataFrame, name: str) -> pd.Series:
    check_option("a phenotype of the population graph", name, list(phenotypes.columns))
    return phenotypes[name]


def _levels(column: pd.Series) -> dict[str, float]:
    return {level: float(i) for i, level in enumerate(sorted(set(_texts(column)[1])))}


def _known(column: pd.Series, codes: dict[str, float]) -> np.ndarray:
    """The code of each value (N,) float32, NaN where it is missing or not known."""
    place, texts = _texts(column)
    return np.array([*(codes.get(text, np.nan) for text in texts), np.nan], dtype=np.float32)[place]  # -1: the last


def _texts(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Which of its distinct values each person has (N,), -1 where missing, and those values as text.

    1 is 1.0, which it becomes beside a missing value.
    """
    place, values = pd.factorize(column)
    if pd.api.types.is_numeric_dtype(column):
        values = pd.Series(values).astype("Float64").astype(float)
    return place, [str(value) for value in values]


def _numbers(column: pd.Series) -> np.ndarray:
    """A quantitative phenotype (N,) float32, NaN where missing or infinite."""
    try:
        values = pd.to_numeric(column).astype("Float64").to_numpy(float, na_value=np.nan)
    except (TypeError, ValueError):
        raise InvalidOption(
            f"within={{{column.name!r}: ...}} needs numbers; this column holds text. Name it in `same`."
        ) from None
    return np.where(np.abs(values) <= LIMIT, values, np.nan).astype(np.float32)
