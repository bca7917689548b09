"""Columns that give the diagnosis away: by value, by being filled in for one class only, or by name."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from graphfuse._check import check_range, check_shape
from graphfuse.evaluate.metrics import rank_auc
from graphfuse.evaluate.statistics import holm

# Clinical instruments that define or grade a diagnosis; matched as whole words of a column name, digits ignored.
_INSTRUMENTS = """
autism: ados adi srs scq aq vineland dsm icd cars gars cbcl rbs asds asdi casd mchat bosa
attention, childhood: conners asrs snap ksads cgas
psychosis: panss bprs saps sans scid mini
mood, anxiety: hamd hdrs hrsd madrs bdi phq qids hama hars bai gad stai ymrs
dementia: mmse moca cdr cdrsb adas adascog faq npi gds
parkinson: updrs mdsupdrs hoehn schwab
labels: diagnosis dx dxgroup
"""
INSTRUMENTS = frozenset(word for line in _INSTRUMENTS.split("\n") for word in line.partition(":")[2].split())
MIN_PER_CLASS = 5  # fewer values than this in a class say nothing about it
ALPHA = 0.01  # family-wise, over all columns


def leak_columns(phenotypes: pd.DataFrame, y: np.ndarray, threshold: float = 0.8) -> pd.DataFrame:
    """Judge each column by how well its value, or its absence, tells the classes apart.

    A column is a **leak** when it is a known clinical instrument, or when the AUC of its value or of its missingness
    reaches `threshold` and differs from .5 (Mann-Whitney test, Holm over all columns, p < .01). It is a **confound**
    when such an AUC differs from .5 but stays below the threshold. The value of a text column, and of a number with at
    most ten distinct values, is scored by the class share of the same value among other subjects (ten-fold), so that
    free text and ids, unique to each subject, score .5.

    Parameters
    ----------
    phenotypes : DataFrame (N, P)
        Any dtypes; missing codes already NaN, blanks count as missing. Leave the target and the id columns out.
    y : array (N,) int
        Class codes. With more than two classes each is held against the rest and the largest AUC counts.
    threshold : float
        AUC from which a column is a leak, in [0.5, 1].

    Returns
    -------
    DataFrame
        column, value_auc, missing_auc (both folded to >= .5), instrument (bool), verdict ("leak", "confound" or
        "ok"), reason; leaks first. ``value_auc`` is NaN where a class has fewer than five values.
    """
    check_range("threshold", threshold, 0.5, 1)
    y = np.asarray(y)
    check_shape("y", y, (len(phenotypes),))
    columns = [_tidy(phenotypes.iloc[:, j]) for j in range(phenotypes.shape[1])]
    values = [_value_auc(column, y) for column in columns]
    missing = [_best_auc(column.isna().to_numpy(float), y) for column in columns]
    p = holm([p for _, p in values + missing]) if columns else np.zeros(0)
    table = pd.DataFrame(
        {
            "column": [str(name) for name in phenotypes.columns],
            "value_auc": [auc for auc, _ in values],
            "missing_auc": [auc for auc, _ in missing],
            "instrument": [is_instrument(str(name)) for name in phenotypes.columns],
        }
    )
    sure = pd.DataFrame({"value": p[: len(columns)] < ALPHA, "missing": p[len(columns) :] < ALPHA})
    judged = [_verdict(row, sure.loc[i], threshold) for i, row in table.iterrows()]
    table[["verdict", "reason"]] = pd.DataFrame(judged, columns=["verdict", "reason"], index=table.index, dtype=object)
    rank = table["verdict"].map({"leak": 0, "confound": 1, "ok": 2})
    strength = table[["value_auc", "missing_auc"]].max(axis=1)
    return table.iloc[np.lexsort((-strength, rank))].reset_index(drop=True)


def is_instrument(name: str) -> bool:
    """Whether a word of a column's name is a known clinical instrument, as in ``ADOS_TOTAL`` or ``base_SRS2_raw``."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return any(word in INSTRUMENTS for word in words)


def _verdict(row: pd.Series, sure: pd.Series, threshold: float) -> tuple[str, str]:
    """Verdict and its reason for one column."""
    found = {
        "value": f"its value tells the classes apart (AUC {row['value_auc']:.2f})",
        "missing": f"where it is missing tells the classes apart (AUC {row['missing_auc']:.2f})",
    }
    known = [text for kind, text in found.items() if sure[kind]]
    strong = [text for kind, text in found.items() if sure[kind] and row[f"{kind}_auc"] >= threshold]
    if row["instrument"]:
        return "leak", "; ".join(["a clinical instrument by its name", *known])
    if strong:
        return "leak", "; ".join(strong)
    return ("confound", "; ".join(known)) if known else ("ok", "")


def _tidy(column: pd.Series) -> pd.Series:
    """Blanks become missing; text that holds numbers only becomes numbers."""
    column = column.reset_index(drop=True)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return column.astype("Float64").astype(float).replace([np.inf, -np.inf], np.nan)
    text = column.astype(object).where(column.notna(), None)
    text = text.map(lambda value: None if value is None or not str(value).strip() else str(value).strip())
    numbers = pd.to_numeric(text, errors="coerce")
    return numbers.astype(float) if (numbers.notna() == text.notna()).all() else text


def _value_auc(column: pd.Series, y: np.ndarray) -> tuple[float, float]:
    """AUC and p-value of the values that are there; (NaN, 1) when a class has too few."""
    there = column.notna().to_numpy()
    column, y = column[there], y[there]
    if len(np.unique(y)) < 2 or min(np.unique(y, return_counts=True)[1]) < MIN_PER_CLASS:
        return float("nan"), 1.0
    numeric = pd.api.types.is_numeric_dtype(column)
    best = _best_auc(column.to_numpy(float), y) if numeric else (0.5, 1.0)
    if not numeric or column.nunique() <= 10:  # a code need not be ordered: 0 = patient, 1 = control, 2 = patient
        best = max(best, _category_auc(column, y))
    return best


def _best_auc(score: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Largest of max(AUC, 1 - AUC) over the classes, each against the rest, with its two-sided p-value."""
    return max((_folded(score, y == code) for code in np.unique(y)), default=(0.5, 1.0))


def _folded(score: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    auc = rank_auc(positive, score)
    if np.ptp(score) == 0 or np.isnan(auc):
        return 0.5, 1.0
    return max(auc, 1 - auc), float(mannwhitneyu(score[positive], score[~positive], method="asymptotic").pvalue)


def _category_auc(column: pd.Series, y: np.ndarray, folds: int = 10) -> tuple[float, float]:
    """AUC of the class share of the same value among subjects of other folds, shrunk to the overall share."""
    fold = np.empty(len(y), dtype=int)
    fold[np.argsort(y, kind="stable")] = np.arange(len(y)) % folds
    codes = pd.factorize(column)[0]
    best = (0.5, 1.0)
    for code in np.unique(y)[1:]:
        positive = (y == code).astype(float)
        score = np.empty(len(y))
        for k in range(folds):
            train, test = fold != k, fold == k
            total = np.bincount(codes[train], minlength=codes.max() + 1)
            hits = np.bincount(codes[train], weights=positive[train], minlength=codes.max() + 1)
            score[test] = ((hits + positive.mean()) / (total + 1))[codes[test]]
        auc, p = _folded(score, positive == 1)
        if rank_auc(positive == 1, score) > best[0]:  # out of fold: below .5 is noise, not a mirrored signal
            best = (auc, p)
    return best
