"""All models and their intervals in one picture."""

from __future__ import annotations

from graphfuse._check import check_option
from graphfuse.evaluate.metrics import METRICS
from graphfuse.evaluate.result import CrossValidation
from graphfuse.plot.style import METRIC_NAMES, ROLE_COLOURS, ROLE_MARKERS, ROLE_NAMES, bare, blank_figure

CHANCE = {"auc": 0.5, "balanced_accuracy": 0.5}


def plot_scores(result: CrossValidation, metric: str = "auc"):
    """Draw each model's mean score and its corrected 95 % interval, the best on top; colours tell their roles.

    Parameters
    ----------
    result : CrossValidation
    metric : str
        A key of ``METRICS``.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidOption
    """
    check_option("metric", metric, METRICS)
    table = result.scores[result.scores["metric"] == metric].dropna(subset=["mean"])
    table = table.sort_values("mean", ascending=metric != "brier", kind="stable").reset_index(drop=True)
    figure = blank_figure(8, 1.6 + 0.32 * len(table))
    axes = bare(figure.subplots())
    if metric in CHANCE:
        axes.axvline(CHANCE[metric], color="black", linewidth=0.8, linestyle=":")
    roles = [result.role(name) for name in table["model"]]
    for role in ROLE_COLOURS:
        part = table[[owner == role for owner in roles]]
        if len(part):
            _draw(axes, part, role)
    axes.set_yticks(range(len(table)), table["model"])
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlabel(f"{METRIC_NAMES[metric]}, mean over folds and corrected 95 % interval")
    axes.set_title(f"Every model on the same {len(result.fold_keys)} folds", fontsize=12)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _draw(axes, part, role: str) -> None:
    error = [part["mean"] - part["low"], part["high"] - part["mean"]]
    style = {
        "fmt": ROLE_MARKERS[role],
        "color": ROLE_COLOURS[role],
        "capsize": 3,
        "markersize": 5,
        "label": ROLE_NAMES[role],
    }
    axes.errorbar(part["mean"], part.index, xerr=error, **style)
