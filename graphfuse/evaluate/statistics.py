"""Intervals and tests for scores that share their training subjects from fold to fold."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control
from scipy.stats import t as student

from graphfuse._check import check_finite, check_option, check_range, check_shape
from graphfuse.errors import GraphFuseError, GraphFuseWarning, InvalidOption, NonFinite

FEW_SUBJECTS = 200
LARGEST = 1e100  # a score beyond it has no square
MOST_SURE = 0.9999  # the quantile of 1 is infinite


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
        Confidence level in (0, 0.9999].
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
    NonFinite
        A score is infinite.
    InvalidOption, ShapeMismatch
        A size is no positive number, the level is out of range, or the lengths differ.

    References
    ----------
    Nadeau & Bengio 2003, doi:10.1023/A:1024068626366; Bouckaert & Frank 2004, doi:10.1007/978-3-540-24775-3_3
    """
    check_range("level", level, 0, MOST_SURE, open_low=True)
    check_range("bounds[1]", bounds[1], bounds[0])
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

    Raises
    ------
    GraphFuseError, NonFinite, InvalidOption, ShapeMismatch
        As in `interval`.

    References
    ----------
    Nadeau & Bengio 2003, doi:10.1023/A:1024068626366
    """
    a, b = _scores(a), _scores(b)
    difference, error, freedom = _corrected(a - check_shape("b", b, a.shape), n_train, n_test)
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

    Raises
    ------
    NonFinite, InvalidOption, ShapeMismatch
        These are not p-values.

    References
    ----------
    Holm 1979, Scandinavian Journal of Statistics 6:65-70
    """
    p = _p_values(p)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values that bound the false discovery rate, ``min_(j >= i) min(1, m p_(j) / j)``, in the order given.

    Parameters
    ----------
    p : array (m,) float
        p-values; tests that are independent or positively dependent, such as one a site.

    Raises
    ------
    NonFinite, InvalidOption, ShapeMismatch
        These are not p-values.

    References
    ----------
    Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x
    """
    p = _p_values(p)
    return false_discovery_control(p) if len(p) else p


def permutation_p(observed: float, null: np.ndarray) -> float:
    """One-sided p-value ``(b + 1) / (m + 1)``, b = how many of the m permuted scores reach the observed one.

    Raises
    ------
    NonFinite
        A score that is NaN or infinite.

    References
    ----------
    Phipson & Smyth 2010, doi:10.2202/1544-6115.1585
    """
    null, observed = check_finite("null", np.asarray(null, dtype=float)), check_finite("observed", observed)
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
        Unknown metric or model, or a size that is no positive number.
    NonFinite
        A score is infinite.
    """
    check_option("metric", metric, list(scores["metric"].unique()))
    part = scores[scores["metric"] == metric]
    _scores(part["value"])
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


def warn_if_small(n: int) -> None:
    """Warn (`GraphFuseWarning`) when n subjects are too few for a score to be trusted within about 0.1.

    References
    ----------
    Varoquaux 2018, Cross-validation failure: small sample sizes lead to large error bars,
    doi:10.1016/j.neuroimage.2017.06.061
    """
    if n < FEW_SUBJECTS:
        message = (
            f"Scores of {n} subjects are uncertain by about 0.1 either way, and the intervals cannot show all of it; "
            f"{FEW_SUBJECTS} subjects or more are advised."
        )
        warnings.warn(message, GraphFuseWarning, stacklevel=3)


def _compared(a: pd.Series, b: pd.Series, sizes: pd.DataFrame, level: float) -> tuple[float, float, float, float]:
    """Difference, low, high, p of one pair."""
    n_train, n_test = sizes["n_train"], sizes["n_test"]
    difference, low, high = interval(a - b, n_train, n_test, level, bounds=(-1.0, 1.0))
    return difference, low, high, corrected_t_test(a, b, n_train, n_test)[2]


def _corrected(scores, n_train, n_test) -> tuple[float, float, int]:
    """Mean, corrected standard error and degrees of freedom of the fold scores that are defined."""
    scores = _scores(scores)
    defined = ~np.isnan(scores)
    if not defined.any():
        raise GraphFuseError("No fold defines this metric (every test fold holds one class); use fewer, larger folds.")
    ratio = _average("n_test", n_test, defined) / _average("n_train", n_train, defined)
    scores = scores[defined]
    if np.ptp(scores) == 0:  # rounding would turn equal scores into a tiny variance
        return float(scores[0]), 0.0, len(scores) - 1
    return float(scores.mean()), float(np.sqrt(scores.var(ddof=1) * (1 / len(scores) + ratio))), len(scores) - 1


def _scores(scores) -> np.ndarray:
    """Scores (J,) as floats; NaN, a metric that is not defined in the fold, stays."""
    scores = check_shape("scores", np.asarray(scores, dtype=float), (None,))
    bad = int((np.abs(scores) > LARGEST).sum())
    if bad:
        raise NonFinite(f"Scores must be finite; {bad} of {scores.size} are infinite. NaN says: not defined here.")
    return scores


def _average(name: str, size, defined: np.ndarray) -> float:
    """Mean of a size, one number or one a fold, over the folds that are defined."""
    size = np.asarray(size, dtype=float)
    if not ((size > 0) & (size < LARGEST)).all():
        raise InvalidOption(f"{name} must hold positive numbers of subjects; got {size.min(initial=np.inf):g}.")
    size = check_shape(name, size, defined.shape) if size.ndim else np.broadcast_to(size, defined.shape)
    return float(size[defined].mean())


def _p_values(p) -> np.ndarray:
    """p-values (m,) as floats, all in [0, 1]."""
    p = check_finite("p", check_shape("p", np.asarray(p, dtype=float), (None,)))
    if len(p):
        check_range("p", float(p.min()), 0, 1)
        check_range("p", float(p.max()), 0, 1)
    return p
