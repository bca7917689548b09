"""Values that read well and may still be wrong: each is warned of once, without an id and without a site's name."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd

from graphfuse.errors import GraphFuseWarning
from graphfuse.signal import Signal

CODES = (99.0, 999.0, 9999.0, 99999.0)
OLDEST = 120  # years
_AGE = re.compile(r"(^|[\W_])age([\W_]|$)", re.IGNORECASE)
_OTHER_UNIT = re.compile(r"month|week|day", re.IGNORECASE)


def warn_of_codes(table: pd.DataFrame, name: str = "") -> None:
    """Warn of columns where a value such as -999 or 9999 stands at least twice, far beyond all others."""
    numbers = table.select_dtypes("number")
    found = {column: code for column in numbers if (code := _code(numbers[column].dropna())) is not None}
    if found:
        listed = ", ".join(f"{column} ({code:g})" for column, code in list(found.items())[:5])
        more = f" and {len(found) - 5} more columns" if len(found) > 5 else ""
        _warn(
            f"{name}Values that look like undeclared codes of missing data: {listed}{more}. Add them to `missing` if "
            "they are."
        )


def warn_of_ages(phenotypes: pd.DataFrame, sites: pd.Series | None) -> None:
    """Warn of a column of ages that cannot all be years: beyond `OLDEST`, or eight times higher at one site."""
    for column in phenotypes.select_dtypes("number"):
        if not _AGE.search(str(column)) or _OTHER_UNIT.search(str(column)):
            continue
        ages = phenotypes[column]
        if (ages > OLDEST).any():
            _warn(
                f"Column {column!r} holds {int((ages > OLDEST).sum())} ages above {OLDEST}: months or days, not years? "
                "Write all ages in one unit."
            )
        elif sites is not None and _spread(ages, sites) >= 8:
            _warn(
                f"The median of column {column!r} is {_spread(ages, sites):.0f} times higher at one site than at "
                "another: months at the one and years at the other? Write all ages in one unit."
            )


def warn_of_lengths(name: str, signal: Signal, sites: pd.Series, declared: bool = False) -> None:
    """Warn when sites differ in frames by a tenth, or in a repetition time that the manifest does not give by site."""
    if signal.kind != "timeseries" or sites[signal.present].nunique() < 2:
        return
    places = sites.to_numpy()[signal.present]
    said = _differing("frames", signal.length[signal.present], places, 1.1)
    if signal.t_r is not None and not declared:
        said += _differing("repetition time [s]", signal.t_r[signal.present], places, 1.01)
    if said:
        _warn(
            f"signals.{name}: sites differ in {' and '.join(said)}, and connectomes differ with them. Name "
            f"{name}_frames among the confounds, so that models are compared with the length of the scan alone."
        )


def _differing(what: str, values: np.ndarray, places: np.ndarray, factor: float) -> list[str]:
    medians = pd.Series(values).groupby(places).median().dropna()
    if not len(medians) or medians.max() <= factor * medians.min():
        return []
    return [f"{what} ({medians.min():g} to {medians.max():g})"]


def warn_of_twins(name: str, signal: Signal) -> None:
    """Warn when the data of one id are, value by value, those of another."""
    marks = pd.Series(signal.fingerprints()).dropna()
    twins = int(marks.duplicated(keep=False).sum())
    if twins:
        _warn(
            f"signals.{name}: {twins} subjects share their data, value by value, with another id. They stay on one "
            "side of every split; check whether they are the same person."
        )


def warn_of_squares(source: str, arrays: list[np.ndarray]) -> None:
    """Warn when series have as many frames as regions: nobody can see how they lie."""
    square = sum(array.shape[0] == array.shape[1] for array in arrays)
    if square:
        _warn(
            f"{source}: {square} series have as many frames as regions, so that frames cannot be told from regions. "
            "They are read as frames by regions; say transposed = false if that is right, true if not."
        )


def _code(values: pd.Series) -> float | None:
    """The value that looks like a code: alone among its kind, by a factor of five or by its sign."""
    for code in CODES:
        for value in (-code, code):
            others = values[values != value]
            far = len(others) and code > 5 * others.abs().max()
            if (values == value).sum() >= 2 and len(others) and (far or (value < 0 and (others >= 0).all())):
                return value
    return None


def _spread(values: pd.Series, sites: pd.Series) -> float:
    medians = values.groupby(sites.to_numpy()).median().dropna()
    medians = medians[medians > 0]
    return float(medians.max() / medians.min()) if len(medians) > 1 else 1.0


def _warn(text: str) -> None:
    warnings.warn(text, GraphFuseWarning, stacklevel=3)
