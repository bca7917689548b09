"""Which regions the graph models used: table, pictures, and how far the ranks can be trusted."""

from __future__ import annotations

import warnings

import pandas as pd

from graphfuse import explain, plot
from graphfuse.errors import GraphFuseWarning
from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.evaluate.result import CrossValidation
from graphfuse.report.pictures import Picture, View, draw, view
from graphfuse.report.tables import Cell, Table, decimal, make_table

TOP = 20
STABLE = 10  # a region's stability is the share of folds in which it is among so many first
UNSTABLE = 0.4  # intraclass correlation below which regions change from fold to fold
HEADINGS = {
    "region": "Region",
    "rank": "Rank",
    "modality": "Modality",
    "network": "Network",
    "mean": "Importance",
    "sd": "SD over folds",
    "stability": "Leads in",
}


def brain(result: CrossValidation, importance: pd.DataFrame | None, edges: pd.DataFrame | None) -> dict:
    """What the section on importance says.

    Parameters
    ----------
    result : CrossValidation
    importance, edges : DataFrame or None
        What `region_importance` and `edge_importance` return; None: computed here if fitted graph models are at hand.
    """
    importance, edges = _computed(result, importance, edges)
    if importance is None or not len(importance):
        return {"there": False}
    model = str(importance["model"].iloc[0])
    own = importance[importance["model"] == model].sort_values("rank", kind="stable")
    agreement, unstable = stability(own)
    return {
        "there": True,
        "model": model,
        "table": region_table(own),
        "agreement": agreement,
        "unstable": unstable,
        "trust": trust(result, model),
        "pictures": _pictures(own, edges),
        "view": _view(own, edges),
    }


def region_table(importance: pd.DataFrame) -> Table:
    """The regions that moved the score most."""
    top = importance.head(TOP)
    top = top.assign(
        rank=[Cell(f"{rank:.0f}") for rank in top["rank"]],
        mean=[Cell(decimal(value, 4)) for value in top["mean"]],
        sd=[Cell(decimal(value, 4)) for value in top["sd"]],
        stability=[Cell(f"{share:.0%}") for share in top["stability"]],
    )
    headings = {name: title for name, title in HEADINGS.items() if name in top}
    return make_table(top, f"The {len(top)} most important regions", headings)


def stability(importance: pd.DataFrame) -> tuple[str, bool]:
    """How far the folds agree, in a sentence, and whether that is too little to read single regions.

    A table that comes from a file has lost these figures; the share of folds stands in for them.
    """
    icc, rho = importance.attrs.get("icc"), importance.attrs.get("rank_stability")
    if icc is not None:
        text = (
            f"Over folds the importances agree with an intraclass correlation of {decimal(icc, 2)}; the ranks of all "
            f"regions, most of which matter little, correlate by {decimal(rho, 2)} (mean Spearman)."
        )
        return text, bool(icc < UNSTABLE)
    share = float(importance["stability"].head(STABLE).mean())
    text = f"The {STABLE} leading regions lead, on average, in {share:.0%} of the folds."
    return text, share < UNSTABLE


def trust(result: CrossValidation, model: str) -> dict | None:
    """Whether this importance can be trusted: a table of checks and the curves of faithfulness; None without models."""
    if not any(name == model and isinstance(fitted, FusionClassifier) for (name, *_), fitted in result.fitted.items()):
        return None
    checks = explain.importance_checks(result, model)
    return {"table": check_table(checks.table), "picture": _curves(checks.curves)}


def check_table(checks: pd.DataFrame) -> Table:
    """One row a check: what came out, what was asked, and what it says."""
    shown = checks.assign(
        value=[Cell(decimal(row.value), row.detail) for row in checks.itertuples()],
        verdict=["pass" if passed else "doubt" for passed in checks["passed"]],
        meaning=[
            Cell(row.meaning if row.passed else f"Not shown: {row.meaning[0].lower()}{row.meaning[1:]}")
            for row in checks.itertuples()
        ],
    )
    headings = {"check": "Check", "verdict": "Verdict", "value": "Found", "bar": "Asked", "meaning": "What it says"}
    doubts = [i for i, passed in enumerate(checks["passed"]) if not passed]
    return make_table(shown, "Checks of the importance", headings, strong=doubts)


def _curves(curves: pd.DataFrame | None) -> Picture | str | None:
    if curves is None:
        return None
    last = curves.iloc[-1]
    alt = (
        f"Drop of the AUC without the {last['k']:.0f} most important regions {decimal(last['important'])}, "
        f"without as many random ones {decimal(last['random'])}, without the least important ones "
        f"{decimal(last['least'])}."
    )
    caption = "What the model loses on test subjects when regions are taken away; no model is fitted again."
    return draw(lambda: plot.plot_faithfulness(curves), alt, caption)


def _computed(result: CrossValidation, importance, edges) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    if importance is None and any(isinstance(model, FusionClassifier) for model in result.fitted.values()):
        with warnings.catch_warnings():  # the page itself says when the ranks are unstable
            warnings.simplefilter("ignore", GraphFuseWarning)
            importance = explain.region_importance(result)
            edges = explain.edge_importance(result) if edges is None else edges
    return importance, edges


def _pictures(importance: pd.DataFrame, edges: pd.DataFrame | None) -> list[Picture | str]:
    alt = f"Glass brain. The largest markers: {', '.join(importance['region'].head(5))}."
    caption = "Regions by importance, at their centres in MNI space."
    pictures = [draw(lambda: plot.plot_importance(importance), alt, caption, "png")]
    if edges is not None and len(edges):
        alt = "Connectome on a glass brain: the edges between regions that moved the score most."
        pictures.append(draw(lambda: plot.plot_connectome(edges), alt, "The edges that moved the score most.", "png"))
    return pictures


def _view(importance: pd.DataFrame, edges: pd.DataFrame | None) -> View | str:
    if edges is not None and len(edges):
        return view(lambda: plot.view_connectome(edges), "Interactive connectome: drag to turn, scroll to zoom")
    return view(lambda: plot.view_importance(importance), "Interactive regions: drag to turn, scroll to zoom")
