"""Phenotype columns of a table as numbers that agree or not; a missing value agrees with nobody."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from graphfuse._check import check_option
from graphfuse.errors import InvalidOption
from graphfuse.kernels.codes import Codes
from graphfuse.kernels.finite import LIMIT


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
