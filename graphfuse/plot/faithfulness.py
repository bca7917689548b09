"""What a model loses without its most important regions."""

from __future__ import annotations

import pandas as pd

from graphfuse.plot.style import PALETTE, bare, blank_figure


def plot_faithfulness(curves: pd.DataFrame):
    """Draw the drop of the AUC by the number of regions taken away: important, random, least important.

    Parameters
    ----------
    curves : DataFrame
        From `graphfuse.faithfulness`.

    Returns
    -------
    matplotlib Figure
    """
    figure = blank_figure(6.4, 4.2)
    axes = bare(figure.subplots())
    k, area = curves["k"], curves.attrs
    axes.axhline(0, color="black", linewidth=0.8, linestyle=":")
    axes.fill_between(
        k,
        curves["random_low"],
        curves["random_high"],
        color=PALETTE[0],
        alpha=0.2,
        linewidth=0,
        label="random, 5 to 95 %",
    )
    for column, name, colour, mark in (
        ("important", "most important", PALETTE[1], "D"),
        ("random", "random, mean", PALETTE[0], "o"),
        ("least", "least important", PALETTE[2], "s"),
    ):
        axes.plot(k, curves[column], color=colour, marker=mark, linewidth=1.8, markersize=5, label=name)
    axes.set_xscale("log")
    axes.set_xticks(k, [str(n) for n in k], minor=False)
    axes.set_xticks([], minor=True)
    axes.set(xlabel="regions taken away", ylabel=f"drop of the AUC (from {area['auc']:.3f})")
    axes.set_title(
        f"Important less random: {area['area']:+.3f} [{area['area_low']:+.3f}, {area['area_high']:+.3f}]", fontsize=12
    )
    axes.legend(fontsize=8, framealpha=0.9)
    return figure
