"""Phenotype columns as numbers: centred on the training subjects, zeros where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graphfuse.errors import LeakColumn

FEWEST = 10  # people of a level that is remembered: the effect of one person's level is that person


def fit_design(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, dict]:
    """How each column becomes numbers, learned from these subjects.

    Parameters
    ----------
    table : DataFrame (N, ·)
        Phenotypes.
    columns : sequence of str
        A number is standardised, a missing one is the median; anything else has one indicator a level but the first,
        and a missing value is a level of its own. A level that fewer than ten people have is not remembered.

    Returns
    -------
    dict
        column -> ``{"median", "mean", "weight"}``, where weight = 1 / deviation and 0 for a number that does not vary,
        or ``{"levels", "share"}``, where `share` (L,) is how many of those with a remembered level have each.
    """
    return {name: _learn(_plain(table[name])) for name in columns}


def apply_design(table: pd.DataFrame, design: dict[str, dict]) -> np.ndarray:
    """The columns of `design` as float64 (N, Q), of mean zero over the subjects that it was fitted on.

    A number that does not vary in training, and a level that was not remembered, are zeros: the training mean.
    """
    parts = [_encode(_plain(table[name]), how) for name, how in design.items()]
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(table), 0))


def refuse_labels(table: pd.DataFrame, columns: Sequence[str], codes: np.ndarray | None, purpose: str) -> None:
    """Raise `LeakColumn` where the values of a column, each shared by several subjects, hold one class each."""
    for name in columns if codes is not None else ():
        values = _plain(table[name]).astype(object).map(str)  # a missing number is a value too
        if 1 < values.nunique() <= len(values) / 2 and holds_one_class(values.to_numpy(), codes).all():
            raise LeakColumn(
                f"{purpose} asks for {name!r}, whose values give the class of every training subject away; its effect "
                "would be that of the diagnosis. Leave it out."
            )


def holds_one_class(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Whether each distinct value, in sorted order, occurs with one class only; (V,) bool."""
    return (contingency(values, codes) > 0).sum(1) == 1


def contingency(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Counts of each distinct value by class, (V, C) int."""
    rows, columns = (np.unique(each, return_inverse=True)[1] for each in (values, codes))
    counts = np.zeros((rows.max() + 1, columns.max() + 1), int)
    np.add.at(counts, (rows, columns), 1)
    return counts


def _plain(column: pd.Series) -> pd.Series:
    """Floats, or text whose missing values are the level ``missing``."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = column.astype("Float64").astype(float)
        return numbers.where(np.isfinite(numbers))
    return column.astype(object).map(str).where(column.notna(), "missing")


def _learn(column: pd.Series) -> dict:
    if column.dtype != float:
        levels, count = np.unique(column.to_numpy(str), return_counts=True)
        kept = count >= FEWEST
        return {"levels": levels[kept].tolist(), "share": count[kept] / max(count[kept].sum(), 1)}
    median = float(column.median()) if column.notna().any() else 0.0
    known = column.fillna(median)
    scale = float(known.std(ddof=0))
    varies = scale > 1e-12 * float(known.abs().max())
    return {"median": median, "mean": float(known.mean()), "weight": 1 / scale if varies else 0.0}


def _encode(column: pd.Series, how: dict) -> np.ndarray:
    """(N, 1) of a number, (N, L - 1) of L levels."""
    if "levels" not in how:
        numbers = pd.to_numeric(column, errors="coerce").fillna(how["median"]).to_numpy(float)
        return ((numbers - how["mean"]) * how["weight"])[:, None]
    has = column.to_numpy(str)[:, None] == np.array(how["levels"], str)  # (N, L)
    known = has.any(1, keepdims=True)
    return np.where(known, has - how["share"], 0.0)[:, 1:]
