"""Scores of class probabilities, one fold at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from graphfuse._check import check_finite, check_option, check_range, check_shape
from graphfuse.errors import InvalidOption, ShapeMismatch

BINS = 10
ROUNDING = 1e-6  # that a probability may lie beyond 0 and 1


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
    return _share(p.argmax(1) == y_true)


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
    return _mean(((p - np.eye(p.shape[1])[y_true]) ** 2).sum(1)) / 2


def ece(y_true: np.ndarray, p: np.ndarray) -> float:
    """Expected calibration error, ``sum_b n_b / n |mean p in b - observed share in b|`` over ten bins of equal width.

    p is the probability of the positive class; with C > 2 classes it is the mean over classes, each against the rest.
    Smaller is better. Few subjects make it too large: a perfectly calibrated model has about 0.27 on 12 subjects and
    0.05 on 400, so that a mean over small folds says little; `calibration_table` takes all folds together and says
    what a calibrated model would have. NaN of nobody.

    Raises
    ------
    NonFinite, InvalidOption, ShapeMismatch
        As in `score_all`.

    References
    ----------
    Naeini, Cooper & Hauskrecht 2015, AAAI 29; Kull et al. 2019, arXiv:1910.12656 (class by class)
    """
    y_true, p = _checked(y_true, p)
    if p.shape[1] == 2:
        return _binned_gap(y_true == 1, p[:, 1])
    return _mean([_binned_gap(y_true == c, p[:, c]) for c in range(p.shape[1])])


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "auc": auc,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "brier": brier,
}
SMALLER_IS_BETTER = ("brier",)


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
        A column is missing, `y_true` holds a name that is not a class, or a probability lies outside [0, 1].
    NonFinite
        A probability that is NaN or infinite.
    """
    columns = check_predictions(predictions, classes, ("model", "repeat", "fold", "subject", "y_true"))
    rows = []
    total = predictions.groupby(["model", "repeat"])["subject"].size()
    for (model, repeat, fold), part in predictions.groupby(["model", "repeat", "fold"], sort=False):
        y_true = pd.Categorical(part["y_true"], categories=list(classes)).codes.astype(np.int64)
        sizes = (total[model, repeat] - len(part), len(part))
        p = part[columns].to_numpy(float)
        rows += [(model, repeat, fold, *sizes, name, metric(y_true, p)) for name, metric in METRICS.items()]
    return pd.DataFrame(rows, columns=["model", "repeat", "fold", "n_train", "n_test", "metric", "value"])


def score_all(y_true: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """All `METRICS` of class codes y_true (n,) int and probabilities p (n, C); all NaN of nobody.

    Raises
    ------
    ShapeMismatch
        The two disagree on n, or a code lies outside the C columns.
    NonFinite, InvalidOption
        A probability is NaN or infinite, or lies outside [0, 1].
    """
    y_true, p = _checked(y_true, p)
    return {name: metric(y_true, p) for name, metric in METRICS.items()}


def calibration_table(
    predictions: pd.DataFrame, classes: Sequence[str], draws: int = 200, random_state: int = 0
) -> pd.DataFrame:
    """Calibration of each model on held-out subjects, all folds of a repeat together, repeats averaged.

    Parameters
    ----------
    predictions : DataFrame
        As in `fold_scores`.
    classes : sequence of str
        The class coding.
    draws : int
        Label sets drawn from the model's own probabilities.
    random_state : int
        Seed of the draws.

    Returns
    -------
    DataFrame
        model, brier, ece, ece_calibrated: the last is the mean `ece` of the same probabilities if they were right,
        which is what an ece has to be compared with.

    Raises
    ------
    InvalidOption, NonFinite
        As in `fold_scores`; no draws.

    References
    ----------
    Brocker & Smith 2007, doi:10.1175/WAF993.1 (consistency resampling)
    """
    check_range("draws", draws, 1)
    columns = check_predictions(predictions, classes, ("model", "repeat", "y_true"))
    rng, rows = np.random.default_rng(random_state), []
    for (model, _), part in predictions.groupby(["model", "repeat"], sort=False):
        y_true = pd.Categorical(part["y_true"], categories=list(classes)).codes.astype(np.int64)
        p = part[columns].to_numpy(float)
        drawn = (rng.random((draws, len(p), 1)) > p.cumsum(1)[None, :, :-1]).sum(2)  # (draws, n)
        rows.append((model, brier(y_true, p), ece(y_true, p), _mean([ece(codes, p) for codes in drawn])))
    table = pd.DataFrame(rows, columns=["model", "brier", "ece", "ece_calibrated"])
    return table.groupby("model", sort=False, as_index=False).mean()


def _checked(y_true: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class codes (n,) int64 below C, and probabilities (n, C) float64."""
    y_true, p = np.asarray(y_true), np.asarray(p, dtype=np.float64)
    y_true = y_true.astype(np.int64) if y_true.dtype == bool or not y_true.size else y_true
    check_shape("y_true", y_true, (None,))
    check_shape("p", p, (len(y_true), None))
    if not np.issubdtype(y_true.dtype, np.integer):
        raise InvalidOption(f"y_true must hold class codes, which are integers; got {y_true.dtype}.")
    if p.shape[1] < 2:
        raise ShapeMismatch(f"p must have a column a class, two at least; got {p.shape[1]}.")
    if len(y_true) and not 0 <= y_true.min() <= y_true.max() < p.shape[1]:
        got = f"{y_true.min()} to {y_true.max()}"
        raise ShapeMismatch(f"y_true must hold codes from 0 on, below the {p.shape[1]} columns of p; got {got}.")
    return y_true, check_probabilities(p)


def check_predictions(predictions: pd.DataFrame, classes: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Names of the C columns of probabilities, once these and the `needed` ones are there and hold what they must."""
    columns = [f"p_{name}" for name in classes]
    for column in (*needed, *columns):
        check_option("a column of the predictions", column, list(predictions.columns))
    for name in predictions["y_true"].unique():
        check_option("y_true", name, list(classes))
    check_probabilities(predictions[columns].to_numpy(float))
    return columns


def check_probabilities(p: np.ndarray) -> np.ndarray:
    """Return `p` if every entry is finite and in [0, 1], but for rounding; else raise `NonFinite`, `InvalidOption`."""
    check_finite("the probabilities", p)
    outside = (p < -ROUNDING) | (p > 1 + ROUNDING)
    if outside.any():
        raise InvalidOption(
            f"the probabilities must lie in [0, 1]; {int(outside.sum())} of {outside.size} do not. Pass probabilities, "
            "not scores or logits."
        )
    return p


def _binned_gap(positive: np.ndarray, p: np.ndarray) -> float:
    """Mean over subjects of the gap |mean p - observed share| of their bin; NaN of nobody."""
    if not len(p):
        return float("nan")
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(place, p - positive)).sum() / len(p))


def _share(hits: np.ndarray) -> float:
    """Share of true entries; NaN of nothing, without numpy's warning, as `_mean`."""
    return float(hits.mean()) if len(hits) else float("nan")


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
