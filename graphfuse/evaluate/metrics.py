"""Scores of class probabilities, one fold at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from graphfuse._check import check_option, check_shape
from graphfuse.errors import ShapeMismatch


def rank_auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve, ``P(score+ > score-) + P(score+ = score-) / 2``.

    Parameters
    ----------
    positive : array (n,) bool
        Who belongs to the positive class.
    score : array (n,) float
        Larger means more likely positive.

    Returns
    -------
    float
        NaN when one of the two classes is empty.

    References
    ----------
    Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747
    """
    positive = np.asarray(positive, dtype=bool)
    n1, n0 = int(positive.sum()), int((~positive).sum())
    if n1 == 0 or n0 == 0:
        return float("nan")
    u = rankdata(score)[positive].sum() - n1 * (n1 + 1) / 2
    return float(u / (n1 * n0))


def accuracy(y_true: np.ndarray, p: np.ndarray) -> float:
    """Share of subjects whose most probable class is their class; y_true (n,) int, p (n, C)."""
    return float((p.argmax(1) == y_true).mean())


def balanced_accuracy(y_true: np.ndarray, p: np.ndarray) -> float:
    """Mean over classes of the share found; NaN when a class is absent from `y_true`."""
    return _mean([_share(p.argmax(1)[y_true == c] == c) for c in range(p.shape[1])])


def auc(y_true: np.ndarray, p: np.ndarray) -> float:
    """Area under the ROC curve; with C > 2 classes the mean over classes, each against the rest. NaN as above."""
    if p.shape[1] == 2:
        return rank_auc(y_true == 1, p[:, 1])
    return _mean([rank_auc(y_true == c, p[:, c]) for c in range(p.shape[1])])


def sensitivity(y_true: np.ndarray, p: np.ndarray) -> float:
    """Share of the last (positive) class that is called so; NaN when it is absent."""
    last = p.shape[1] - 1
    return _share(p.argmax(1)[y_true == last] == last)


def specificity(y_true: np.ndarray, p: np.ndarray) -> float:
    """Share of all other classes that is not called the last (positive) one; NaN when there is nobody else."""
    last = p.shape[1] - 1
    return _share(p.argmax(1)[y_true != last] != last)


def brier(y_true: np.ndarray, p: np.ndarray) -> float:
    """``mean_i sum_c (p_ic - [y_i = c])^2 / 2``; with two classes the usual ``mean (p - y)^2``. Smaller is better."""
    return float(((p - np.eye(p.shape[1])[y_true]) ** 2).sum(1).mean() / 2)


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "auc": auc,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "brier": brier,
}


def fold_scores(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Score every model in every fold.

    Parameters
    ----------
    predictions : DataFrame
        One row a test subject: model, repeat, fold, subject, y_true (class name), ``p_CLASS`` for each class.
    classes : sequence of str
        The class coding; the last class is the positive one.

    Returns
    -------
    DataFrame
        model, repeat, fold, n_train, n_test, metric, value. The subjects of a repeat who are not in the test fold
        count as its training set. A value is NaN where the metric is not defined, for example the AUC of a
        single-class fold.

    Raises
    ------
    InvalidOption
        A column is missing or `y_true` holds a name that is not a class.
    """
    columns = [f"p_{name}" for name in classes]
    for column in ("model", "repeat", "fold", "subject", "y_true", *columns):
        check_option("a column of the predictions", column, list(predictions.columns))
    for name in predictions["y_true"].unique():
        check_option("y_true", name, list(classes))
    rows = []
    total = predictions.groupby(["model", "repeat"])["subject"].size()
    for (model, repeat, fold), part in predictions.groupby(["model", "repeat", "fold"], sort=False):
        y_true = pd.Categorical(part["y_true"], categories=list(classes)).codes.astype(np.int64)
        sizes = (total[model, repeat] - len(part), len(part))
        p = part[columns].to_numpy(float)
        rows += [(model, repeat, fold, *sizes, name, metric(y_true, p)) for name, metric in METRICS.items()]
    return pd.DataFrame(rows, columns=["model", "repeat", "fold", "n_train", "n_test", "metric", "value"])


def score_all(y_true: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """All `METRICS` of class codes y_true (n,) int and probabilities p (n, C).

    Raises
    ------
    ShapeMismatch
        The two disagree on n, or a code lies outside the C columns.
    """
    y_true, p = np.asarray(y_true), np.asarray(p)
    check_shape("p", p, (len(y_true), None))
    if len(y_true) and not 0 <= y_true.min() <= y_true.max() < p.shape[1]:
        raise ShapeMismatch(f"y_true must hold codes below the {p.shape[1]} columns of p; got {y_true.max()}.")
    return {name: metric(y_true, p) for name, metric in METRICS.items()}


def _share(hits: np.ndarray) -> float:
    """Share of true entries; NaN of nothing, without numpy's warning."""
    return float(hits.mean()) if len(hits) else float("nan")


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
