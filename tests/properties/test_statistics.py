"""Scores, intervals and tests of any numbers: finite, or refused by name, or a NaN that is documented here."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cases import few, finite_or_refused, many

from graphfuse.estimators.calibration import fit_temperature, probabilities
from graphfuse.evaluate.leaks import leak_columns
from graphfuse.evaluate.metrics import METRICS, calibration_table, ece, fold_scores, score_all
from graphfuse.evaluate.sites import site_table
from graphfuse.evaluate.statistics import (
    benjamini_hochberg,
    compare,
    corrected_t_test,
    holm,
    interval,
    permutation_p,
    summarise,
)
from graphfuse.explain.stability import fold_icc, rank_stability, top_share

# The NaNs and infinities that are documented, each with its reason. There are no others.
NEEDS_EVERY_CLASS = ("balanced_accuracy", "auc", "sensitivity", "specificity")  # NaN where a class is absent: no ratio
# `score_all` and `ece` of nobody: NaN.
# `site_table`: auc is NaN at a site of one class; p and p_fdr there and below ten subjects; `note` says so.
# `summarise`: mean, low and high are NaN for a metric that no fold defines (folds = 0).
# `leak_columns`: value_auc is NaN where a class has fewer than five values.
# `corrected_t_test`: t is infinite where two models differ by the same amount in every fold (p = 0).


def shares(d, n: int, c: int) -> np.ndarray:
    """Rows that sum to 1, as a classifier gives, or whatever was drawn."""
    p = d.array(n, c, dtype=np.float64)
    if d.one(True, True, False):
        with np.errstate(all="ignore"):
            p = np.abs(p) / np.maximum(np.abs(p).sum(1, keepdims=True), 1e-300)
    return p


def defined(scores: dict[str, float], y: np.ndarray, c: int) -> dict[str, float]:
    """The scores that must be a number."""
    if len(y) == 0:
        return {}
    whole = len(np.unique(y)) == c
    return {name: value for name, value in scores.items() if whole or name not in NEEDS_EVERY_CLASS}


@many
def test_scores_of_one_fold(d):
    n, c = d.one(0, 1, 2, 9), d.one(2, 3)
    y = d.rng.integers(d.one(0, 0, -1), c + d.one(0, 0, 1), n)
    p = shares(d, n, c)
    finite_or_refused(lambda: defined(score_all(y, p), y, c))


@many
def test_ece(d):
    n, c = d.one(1, 2, 9), d.one(2, 3)
    error = finite_or_refused(ece, d.rng.integers(d.one(0, 0, -1), c, n), shares(d, n, c))
    assert error is None or 0 <= error <= 1 + 1e-6


def predictions(d) -> pd.DataFrame:
    n = d.one(2, 4, 9)
    p = shares(d, n, 2)
    table = {"model": d.rng.choice(["a", "b"], n), "repeat": 0, "fold": d.rng.integers(0, 2, n), "y_true": "x"}
    table = pd.DataFrame(table).assign(subject=[f"s{i}" for i in range(n)], p_x=p[:, 0], p_y=p[:, 1])
    return table.assign(y_true=d.rng.choice(["x", "y", d.one("x", "z")], n))


@many
def test_scores_of_all_folds(d):
    table = predictions(d)

    def scored():
        scores = fold_scores(table, ("x", "y"))
        return scores[~scores["metric"].isin(NEEDS_EVERY_CLASS)]

    finite_or_refused(scored)


@few
def test_calibration_table(d):
    """200 cases: one takes 5 ms."""
    table = finite_or_refused(calibration_table, predictions(d), ("x", "y"), d.one(1, 5))
    assert table is None or table[["ece", "ece_calibrated"]].to_numpy().max() <= 1 + 1e-6


@few
def test_site_table(d):
    """200 cases: one takes 8 ms."""
    n = d.one(4, 30)
    p = np.clip(shares(d, n, 2), 0, 1) if d.one(True, False) else shares(d, n, 2)
    table = pd.DataFrame({"model": "a", "subject": [f"s{i}" for i in range(n)], "p_x": p[:, 0], "p_y": p[:, 1]})
    table = table.assign(y_true=d.rng.choice(["x", "y"], n))
    sites = pd.Series(d.rng.choice(["p", "q", d.one("p", None)], n), index=table["subject"])

    def tested():
        rows = site_table(table, sites, ("x", "y"))
        return rows[rows["note"] == ""]

    finite_or_refused(tested)


def fold_table(d) -> pd.DataFrame:
    """What `fold_scores` returns, with any values; NaN = not defined in that fold."""
    k = d.one(1, 2, 5)
    values = d.array(2 * k, dtype=np.float64)
    if d.one(True, True, False):
        with np.errstate(all="ignore"):
            values = np.clip(values, 0, 1)
    table = {"model": ["a"] * k + ["b"] * k, "repeat": 0, "fold": [*range(k), *range(k)], "n_train": 80, "n_test": 20}
    return pd.DataFrame(table).assign(metric="auc", value=values)


@many
def test_summaries(d):
    table = fold_table(d)

    def summarised():
        rows = summarise(table, d.one(0.95, 0.5))
        return rows[rows["folds"] > 0]

    finite_or_refused(summarised)


@many
def test_comparisons(d):
    finite_or_refused(compare, fold_table(d), d.one(None, "a", "c"))


@many
def test_interval(d):
    j = d.one(0, 1, 2, 7)
    sizes = d.one((80, 20), (np.full(j, 80), np.full(j, 20)), (0, 20), (d.array(j), d.array(j)))
    finite_or_refused(interval, d.array(j), *sizes, d.one(0.95, 0.5, 0.0, 1.0, 2.0))


@many
def test_corrected_t_test(d):
    j = d.one(1, 2, 7)

    def difference_and_p():
        difference, t, p = corrected_t_test(d.array(j), d.array(j), *d.one((80, 20), (1, 1), (0, 20)))
        assert not np.isnan(t)
        assert not 0 <= p <= 1 or np.isfinite(t) or p == 0
        return difference, p

    finite_or_refused(difference_and_p)


@many
def test_adjusted_and_permuted_p_values(d):
    p = d.array(d.one(0, 1, 5), dtype=np.float64)
    p = d.one(p, np.abs(p), np.clip(p, 0, 1))
    for adjust in (holm, benjamini_hochberg):
        adjusted = finite_or_refused(adjust, p)
        assert adjusted is None or ((p <= adjusted + 1e-12) & (adjusted <= 1)).all()
    finite_or_refused(permutation_p, float(d.array(1)[0]), p)


@many
def test_stability_of_importances(d):
    per_fold = d.array(d.one(1, 2, 4), d.one(1, 2, 5), dtype=np.float64)
    for function in (rank_stability, fold_icc, top_share):
        finite_or_refused(function, per_fold)


@many
def test_temperature(d):
    n, c = d.one(1, 2, 8), d.one(2, 3)
    scores = d.array(n, c, dtype=np.float64)
    slope = finite_or_refused(fit_temperature, scores, d.rng.integers(0, c, n))
    if slope is not None:
        p = finite_or_refused(probabilities, scores, slope)
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)


@many
def test_leak_columns(d):
    n = d.one(0, 1, 3, 12)
    table = pd.DataFrame(d.array(n, 1, dtype=np.float64), columns=["age"])
    if d.one(True, False):
        table = table.assign(text=d.rng.choice(["a", "b", None], n), ados=d.rng.choice([1, None], n))
    found = finite_or_refused(
        lambda: leak_columns(table, d.rng.integers(0, d.one(1, 2, 3), n)).drop(columns="value_auc")
    )
    assert found is None or set(found["verdict"]) <= {"leak", "confound", "ok"}


def test_every_metric_is_covered():
    assert set(NEEDS_EVERY_CLASS) <= set(METRICS)
