"""Do the probabilities mean what they say?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from graphfuse.evaluate.result import CrossValidation
from graphfuse.plot.style import PALETTE, bare, blank_figure, chosen_models

BINS = 10


def plot_calibration(result: CrossValidation, models: Sequence[str] | None = None):
    """Draw how often the positive class occurs where a model says p, and below how often it says so.

    Parameters
    ----------
    result : CrossValidation
    models : sequence of str or None
        None = the best baseline, the graph models and their controls, six at most.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidOption
    """
    names, positive = chosen_models(result, models), result.cohort.classes[-1]
    figure = blank_figure(6.4, 7.0)
    upper, lower = (bare(axes) for axes in figure.subplots(2, 1, height_ratios=(3, 1), sharex=True))
    upper.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":", label="perfect")
    brier = result.scores[result.scores["metric"] == "brier"].set_index("model")["mean"]
    for i, name in enumerate(names):
        bins = reliability(result.predictions[result.predictions["model"] == name], positive)
        style = {"color": PALETTE[i % len(PALETTE)], "linewidth": 1.5}
        upper.plot(bins["p"], bins["observed"], marker="o", markersize=4, label=f"{name}  {brier[name]:.3f}", **style)
        lower.stairs(bins.attrs["counts"], np.linspace(0, 1, BINS + 1), **style)
    upper.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.02), ylabel=f"observed share of {positive}")
    upper.set_title("Calibration on held-out subjects, all folds together", fontsize=12)
    upper.legend(title="Brier score, smaller is better", fontsize=8, title_fontsize=8, framealpha=0.9)
    lower.set(xlabel=f"predicted probability of {positive}", ylabel="predictions")
    return figure


def reliability(predictions: pd.DataFrame, positive: str) -> pd.DataFrame:
    """Mean prediction p, observed share and n of each bin of equal width that is not empty; attrs hold all counts."""
    p = predictions[f"p_{positive}"].to_numpy(dtype=float)
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    table = pd.DataFrame({"bin": place, "p": p, "observed": predictions["y_true"].to_numpy() == positive})
    bins = table.groupby("bin").agg(p=("p", "mean"), observed=("observed", "mean"), n=("p", "size"))
    bins.attrs["counts"] = np.bincount(place, minlength=BINS).tolist()
    return bins
