"""Does it hold at every site?"""

from __future__ import annotations

from collections.abc import Sequence

from graphfuse._check import check_option
from graphfuse.evaluate.metrics import METRICS
from graphfuse.evaluate.result import CrossValidation
from graphfuse.plot.scores import CHANCE
from graphfuse.plot.style import METRIC_NAMES, PALETTE, bare, blank_figure, chosen_models

MARKERS = "oDsv^P"


def plot_sites(result: CrossValidation, models: Sequence[str] | None = None, metric: str = "auc"):
    """Draw each model's score on the test subjects of each site, the largest site on top.

    Parameters
    ----------
    result : CrossValidation
    models : sequence of str or None
        None = the best baseline, the graph models and their controls, six at most.
    metric : str
        A key of ``METRICS``.

    Returns
    -------
    matplotlib Figure
        A site whose subjects are all of one class has no AUC and no marker.

    Raises
    ------
    InvalidOption
    """
    check_option("metric", metric, METRICS)
    table = result.by_site(metric).sort_values("subjects", kind="stable")
    figure = blank_figure(8, 1.8 + 0.32 * len(table))
    axes = bare(figure.subplots())
    if metric in CHANCE:
        axes.axvline(CHANCE[metric], color="black", linewidth=0.8, linestyle=":")
    for i, name in enumerate(chosen_models(result, models)):
        style = {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[i % len(MARKERS)], "alpha": 0.9}
        axes.scatter(table[name], range(len(table)), s=28, label=name, **style)
    labels = [f"{site or 'all'}  (n = {n:.0f})" for site, n in table["subjects"].items()]
    axes.set_yticks(range(len(table)), labels)
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    axes.set_xlabel(f"{METRIC_NAMES[metric]} on the held-out subjects of the site")
    axes.set_title("Scores site by site (small sites scatter by chance)", fontsize=12)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure
