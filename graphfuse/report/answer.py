"""The answer first: did the graph help, on whom was it tried, how good are the best models."""

from __future__ import annotations

import re

import pandas as pd

from graphfuse.evaluate.result import CrossValidation
from graphfuse.report.tables import MINUS, as_cell, decimal, span

METRIC = "auc"
FEW = 200  # intervals of smaller cohorts are wide


def answer(result: CrossValidation) -> dict:
    """What the top of the page says."""
    classes = result.cohort.classes
    return {
        "question": f"Does a graph help to tell {classes[-1]} from {' and '.join(classes[:-1])}?",
        "verdicts": verdicts(result),
        "facts": _facts(result),
        "leaders": _leaders(result),
        "transductive": transductive(result),
        "few": len(result.cohort) < FEW,
    }


def verdicts(result: CrossValidation) -> list[dict]:
    """One sentence a graph model, its figures apart; an honest one where no baseline ran beside it."""
    if result.graph_models() and not _named(result, "baseline"):
        text = "No baseline was evaluated on these folds, so it cannot be said whether the graph helped."
        return [{"claim": text, "detail": ""}]
    return [_parted(sentence) for sentence in re.split(r"(?<=\)\.)\s+", result.verdict(METRIC))]


def transductive(result: CrossValidation) -> list[str]:
    """Names of the models that took in test subjects' features while they were fitted."""
    return [name for name in result.model_names if getattr(result.estimators.get(name), "transductive", False)]


def mode(result: CrossValidation) -> str:
    """``inductive``, or how many models were not."""
    count = len(transductive(result))
    return "inductive" if not count else f"inductive; {count} transductive model{'s' if count > 1 else ''}"


def score(result: CrossValidation, name: str, metric: str = METRIC) -> pd.Series:
    """mean, low, high of one model."""
    return result.scores[result.scores["metric"] == metric].set_index("model").loc[name]


def best_graph(result: CrossValidation) -> str | None:
    """The graph model of the highest mean, None where there is none."""
    names = result.graph_models()
    return max(names, key=lambda name: _or_zero(score(result, name)["mean"]), default=None)


def _parted(sentence: str) -> dict:
    """A verdict as its claim and its figures, ``CLAIM (auc FIGURES).``"""
    found = re.fullmatch(rf"(.*?) \({METRIC} (.*)\)\.", sentence, flags=re.DOTALL)
    if found is None:
        return {"claim": sentence, "detail": ""}
    return {"claim": f"{found[1]}.", "detail": f"AUC {re.sub(r'-(?=[0-9])', MINUS, found[2])}."}


def _named(result: CrossValidation, role: str) -> list[str]:
    return [name for name in result.model_names if result.role(name) == role]


def _or_zero(value: float) -> float:
    return 0.0 if pd.isna(value) else float(value)


def _leaders(result: CrossValidation) -> list[dict]:
    """The best baseline and the best graph model, with their intervals."""
    named = [("Best baseline", result.best_baseline(METRIC) if _named(result, "baseline") else None)]
    named.append(("Best graph model", best_graph(result)))
    leaders = []
    for title, name in named:
        if name is not None:
            row = score(result, name)
            figures = {"mean": decimal(row["mean"]), "span": span(row["low"], row["high"])}
            leaders.append({"title": title, "name": name} | figures)
    return leaders


def _facts(result: CrossValidation) -> list[tuple[str, str]]:
    cohort, splits = result.cohort, result.splits
    counts = cohort.phenotypes[cohort.target].value_counts()
    kind = f"{splits.folds} folds, {_times(splits.repeats)}"
    return [
        ("Subjects", as_cell(len(cohort)).text),
        ("Classes", ", ".join(f"{name} {counts.get(name, 0)}" for name in reversed(cohort.classes))),
        ("Sites", str(cohort.sites.nunique()) if cohort.site else "not recorded"),
        ("Modalities", ", ".join(cohort.signals) or "none"),
        ("Evaluation", "one site left out at a time" if splits.leave_site_out else kind),
        ("Mode", mode(result)),
    ]


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
