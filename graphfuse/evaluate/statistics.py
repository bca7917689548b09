"""Intervals and tests for scores that share their training subjects from fold to fold."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import t as student

from graphfuse._check import check_finite, check_option, check_range
from graphfuse.errors import GraphFuseError


def interval(
    scores: np.ndarray, n_train, n_test, level: float = 0.95, bounds: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float, float]:
    """Mean of the fold scores with the Nadeau-Bengio corrected t interval.

    ``mean +- t_(J-1) sqrt(s^2 (1 / J + n_test / n_train))`` over J fold scores. Folds share training subjects, so
    that ``s^2 / J`` alone is far too small.

    Parameters
    ----------
    scores : array (J,) float
        One score a fold and repeat; NaN (metric not defined in the fold) is left out.
    n_train, n_test : int or array (J,)
        Sizes of the sets; arrays are averaged.
    level : float
        Confidence level in (0, 1).
    bounds : tuple of float
        The interval is clipped to the range of the metric.

    Returns
    -------
    mean, low, high : float
        With a single defined fold the interval is all of `bounds`.

    Raises
    ------
    GraphFuseError
        No fold defines the metric.

    References
    ----------
    Nadeau & Bengio 2003, doi:10.1023/A:1024068626366; Bouckaert & Frank 2004, doi:10.1007/978-3-540-24775-3_3
    """
    check_range("level", level, 0, 1)
    mean, error, freedom = _corrected(scores, n_train, n_test)
    if freedom == 0:
        return mean, *bounds
    half = student.ppf(0.5 + level / 2, freedom) * error
    return mean, float(max(mean - half, bounds[0])), float(min(mean + half, bounds[1]))


def corrected_t_test(a: np.ndarray, b: np.ndarray, n_train, n_test) -> tuple[float, float, float]:
    """Two-sided corrected resampled t-test of two models on the same folds.

    ``t = mean(d) / sqrt(s_d^2 (1 / J + n_test / n_train))`` with ``d = a - b`` and J - 1 degrees of freedom.

    Parameters
    ----------
    a, b : array (J,) float
        Scores of the two models, fold by fold; folds with a NaN in either are left out.
    n_train, n_test : int or array (J,)
        Sizes of the sets.

    Returns
    -------
    difference, t, p : float
        Equal scores in all folds give t = 0, p = 1. A difference that is the same in all folds gives t = +-inf,
        p = 0. One defined fold gives t = 0, p = 1: there is nothing to judge a difference by.

    References
    ----------
    Nadeau & Bengio 2003, doi:10.1023/A:1024068626366
    """
    difference, error, freedom = _corrected(np.asarray(a, float) - np.asarray(b, float), n_train, n_test)
    if freedom == 0 or (difference == 0 and error == 0):
        return difference, 0.0, 1.0
    t = difference / error if error > 0 else float(np.copysign(np.inf, difference))
    return difference, t, float(2 * student.sf(abs(t), freedom))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjusted p-values, ``max_(j <= i) min(1, (m - j + 1) p_(j))``, in the order given.

    Parameters
    ----------
    p : array (m,) float
        p-values.

    References
    ----------
    Holm 1979, Scandinavian Journal of Statistics 6:65-70
    """
    p = check_finite("p", np.asarray(p, dtype=float))
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def permutation_p(observed: float, null: np.ndarray) -> float:
    """One-sided p-value ``(b + 1) / (m + 1)``, b = how many of the m permuted scores reach the observed one.

    References
    ----------
    Phipson & Smyth 2010, doi:10.2202/1544-6115.1585
    """
    null = check_finite("null", np.asarray(null, dtype=float))
    return float(((null >= observed).sum() + 1) / (len(null) + 1))


def summarise(scores: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """One row a model and metric: mean, low, high of `interval`, and how many folds define the metric.

    Parameters
    ----------
    scores : DataFrame
        What `fold_scores` returns.
    level : float
        Confidence level.

    Returns
    -------
    DataFrame
        model, metric, mean, low, high, folds. A metric that no fold defines has NaN and 0 folds.
    """
    rows = []
    for (model, metric), part in scores.groupby(["model", "metric"], sort=False):
        defined = int(part["value"].notna().sum())
        numbers = interval(part["value"], part["n_train"], part["n_test"], level) if defined else (np.nan,) * 3
        rows.append((model, metric, *numbers, defined))
    return pd.DataFrame(rows, columns=["model", "metric", "mean", "low", "high", "folds"])


def compare(scores: pd.DataFrame, against: str | None = None, metric: str = "auc", level: float = 0.95) -> pd.DataFrame:
    """Corrected t-tests between models on the same folds, Holm-adjusted over all pairs shown.

    Parameters
    ----------
    scores : DataFrame
        What `fold_scores` returns.
    against : str or None
        The model that all others are compared with; None compares every pair.
    metric : str
        A metric of `scores`.
    level : float
        Confidence level of the interval of the difference.

    Returns
    -------
    DataFrame
        model_a, model_b, metric, difference (a - b), low, high, p, p_holm. A pair that shares no fold in which
        the metric is defined is left out.

    Raises
    ------
    InvalidOption
        Unknown metric or model.
    """
    check_option("metric", metric, list(scores["metric"].unique()))
    part = scores[scores["metric"] == metric]
    values = part.pivot(index=["repeat", "fold"], columns="model", values="value")[part["model"].unique()]
    sizes = part.groupby(["repeat", "fold"])[["n_train", "n_test"]].first().loc[values.index]
    pairs = list(combinations(values.columns, 2))
    if against is not None:
        check_option("against", against, list(values.columns))
        pairs = [(model, against) for model in values.columns if model != against]
    rows = []
    for a, b in pairs:
        both = values[a].notna() & values[b].notna()
        if both.any():
            rows.append((a, b, metric, *_compared(values.loc[both, a], values.loc[both, b], sizes[both], level)))
    table = pd.DataFrame(rows, columns=["model_a", "model_b", "metric", "difference", "low", "high", "p"])
    return table.assign(p_holm=holm(table["p"]))


def _compared(a: pd.Series, b: pd.Series, sizes: pd.DataFrame, level: float) -> tuple[float, float, float, float]:
    """Difference, low, high, p of one pair."""
    n_train, n_test = sizes["n_train"], sizes["n_test"]
    difference, low, high = interval(a - b, n_train, n_test, level, bounds=(-1.0, 1.0))
    return difference, low, high, corrected_t_test(a, b, n_train, n_test)[2]


def _corrected(scores, n_train, n_test) -> tuple[float, float, int]:
    """Mean, corrected standard error and degrees of freedom of the fold scores that are defined."""
    scores = np.asarray(scores, dtype=float)
    defined = np.isfinite(scores)
    if not defined.any():
        raise GraphFuseError("No fold defines this metric (every test fold holds one class); use fewer, larger folds.")
    ratio = _average(n_test, defined) / _average(n_train, defined)
    scores = scores[defined]
    if np.ptp(scores) == 0:  # rounding would turn equal scores into a tiny variance
        return float(scores[0]), 0.0, len(scores) - 1
    return float(scores.mean()), float(np.sqrt(scores.var(ddof=1) * (1 / len(scores) + ratio))), len(scores) - 1


def _average(size, defined: np.ndarray) -> float:
    return float(np.broadcast_to(np.asarray(size, dtype=float), defined.shape)[defined].mean())
