"""write_report: the whole evaluation as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from graphfuse import plot
from graphfuse.evaluate.result import CrossValidation
from graphfuse.evaluate.store import write_whole
from graphfuse.report import scores
from graphfuse.report.answer import answer, score
from graphfuse.report.brain import brain
from graphfuse.report.confounds import confounds
from graphfuse.report.folds import folds
from graphfuse.report.missing import missing
from graphfuse.report.people import people
from graphfuse.report.pictures import Picture, View, draw
from graphfuse.report.provenance import provenance
from graphfuse.report.tables import decimal


def write_report(
    result: CrossValidation,
    path: str | Path,
    importance: pd.DataFrame | None = None,
    edges: pd.DataFrame | None = None,
    arguments: Mapping | None = None,
    claims: Mapping[str, str] | None = None,
) -> Path:
    """Write what an evaluation found as one self-contained HTML page, whole or not at all.

    Nothing in it is loaded from the network; it holds no subject's id, no path, no name of a person or a machine.
    Cells below 5 in the tables of people are hidden.

    Parameters
    ----------
    result : CrossValidation
    path : path
        The file to write, ``report.html``; its folder must exist.
    importance, edges : DataFrame or None
        What `region_importance` and `edge_importance` returned; None = computed here from the fitted
        `FusionClassifier` models, if there are any.
    arguments : mapping or None
        What the run was called with, for the last section.
    claims : mapping of str to str, or None
        Model -> what its authors published, for the leaderboard.

    Returns
    -------
    Path
        The file.
    """
    path = Path(path)
    page = render(
        answer=answer(result),
        people=people(result.cohort),
        folds=folds(result),
        scores=_scores(result, claims),
        lacking=missing(result),
        brain=brain(result, importance, edges),
        confounds=confounds(result),
        provenance=provenance(result, arguments),
    )
    write_whole(path, page.encode())
    return path


def render(**sections) -> str:
    """Fill the page's template; every text is escaped."""
    environment = Environment(
        loader=PackageLoader("graphfuse", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = resources.files("graphfuse.report").joinpath("report.css").read_text(encoding="utf-8")
    environment.tests |= {"picture": lambda x: isinstance(x, Picture), "view": lambda x: isinstance(x, View)}
    return environment.get_template("report.html.j2").render(style=Markup(style), **sections)  # our own file


def _scores(result: CrossValidation, claims: Mapping[str, str] | None) -> dict:
    """Tables and pictures of the sections on scores, sites and costs."""
    spoken = _spoken(result)
    return {
        "table": scores.score_table(result),
        "forest": draw(lambda: plot.plot_scores(result), f"Forest plot. {spoken}", "AUC with its 95 % interval."),
        "baseline": scores.against_baseline(result),
        "controls": scores.against_controls(result),
        "roc": draw(lambda: plot.plot_roc(result), f"ROC curves. {spoken}", "ROC of the test subjects."),
        "calibration": draw(
            lambda: plot.plot_calibration(result),
            "Calibration: share of the class against the predicted probability; the diagonal is perfect.",
            "Calibration on test subjects.",
        ),
        "calibration_table": scores.calibration_table(result),
        "sites": scores.site_table(result),
        "site_picture": _site_picture(result),
        "leaderboard": scores.leaderboard_table(result, claims),
        "claims": bool(claims),
        "minutes": scores.total_minutes(result),
    }


def _spoken(result: CrossValidation) -> str:
    """The AUCs in words, for readers who do not see the picture."""
    means = {name: decimal(score(result, name)["mean"], 2) for name in result.model_names}
    return "AUC: " + ", ".join(f"{name} {mean}" for name, mean in means.items())


def _site_picture(result: CrossValidation) -> Picture | str | None:
    """Scores by site; a site below 5 subjects is not drawn, because the picture says how many there are."""
    shown = scores.without_small_sites(result)
    if shown is None:
        return None
    names = scores.site_models(result)
    return draw(lambda: plot.plot_sites(shown, names), "AUC by site; the numbers are in the table.", "AUC by site.")
