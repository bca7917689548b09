"""ROC curves of held-out predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from graphfuse.evaluate.result import CrossValidation
from graphfuse.plot.style import PALETTE, bare, blank_figure, chosen_models

GRID = np.linspace(0, 1, 201)


def plot_roc(result: CrossValidation, models: Sequence[str] | None = None):
    """Draw the ROC curve of each model: the mean over folds of the true positive rate.

    The area under such a curve is the mean AUC of the folds, the number in the legend; scores of different folds come
    from different models and are never mixed. With more than two classes, the last class against the rest.

    Parameters
    ----------
    result : CrossValidation
    models : sequence of str or None
        None = the best baseline, the graph models and their controls, six curves at most.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidOption
    """
    figure = blank_figure(6.4, 6.2)
    axes = bare(figure.subplots())
    auc = result.scores[result.scores["metric"] == "auc"].set_index("model")
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":", label="chance")
    for name, colour in zip(chosen_models(result, models), _endless(PALETTE), strict=False):
        rates = mean_roc(result.predictions[result.predictions["model"] == name], result.cohort.classes[-1])
        axes.plot(GRID, rates, color=colour, linewidth=1.8, label=_label(name, auc.loc[name]))
    positive = result.cohort.classes[-1]
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_xlabel(f"false positive rate (others called {positive})")
    axes.set_ylabel(f"true positive rate ({positive} found)")
    axes.set_title(f"ROC on held-out subjects, mean of {len(result.fold_keys)} folds", fontsize=12)
    axes.legend(title="AUC [95 % interval]", fontsize=8, title_fontsize=8, loc="lower right", framealpha=0.9)
    return figure


def mean_roc(predictions: pd.DataFrame, positive: str) -> np.ndarray:
    """True positive rate on `GRID`, averaged over the folds that hold both kinds of subjects; NaN if none does."""
    curves = []
    for _, fold in predictions.groupby(["repeat", "fold"]):
        truth = fold["y_true"].to_numpy() == positive
        if 0 < truth.sum() < len(truth):
            false_rate, true_rate, _ = roc_curve(truth, fold[f"p_{positive}"])
            curve = np.interp(GRID, false_rate, true_rate)
            curve[0] = 0.0
            curves.append(curve)
    return np.mean(curves, axis=0) if curves else np.full(len(GRID), np.nan)


def _label(name: str, row: pd.Series) -> str:
    return name if pd.isna(row["mean"]) else f"{name}  {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def _endless(colours: Sequence[str]):
    while True:
        yield from colours
