"""The tables of scores: every model, every comparison, every site, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from graphfuse.evaluate.metrics import METRICS
from graphfuse.evaluate.result import CrossValidation
from graphfuse.evaluate.statistics import compare
from graphfuse.report.answer import METRIC, best_graph
from graphfuse.report.tables import DASH, SMALL, Cell, Table, as_cell, decimal, make_table, p_text, span

TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "auc": "AUC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "brier": "Brier (low is good)",
}
CONTROLS = ("no", "shuffled")
FEW_AT_SITE = 10


def score_table(result: CrossValidation) -> Table:
    """One row a model: each metric with its interval under it."""
    cells = {
        (row.model, row.metric): Cell(decimal(row.mean), span(row.low, row.high) if row.folds else "")
        for row in result.scores.itertuples()
    }
    shown = sorted(METRICS, key=lambda metric: metric != METRIC)  # the deciding one first
    rows = [
        {"model": Cell(name, result.role(name)), **{metric: cells[name, metric] for metric in shown}}
        for name in result.model_names
    ]
    strong = [i for i, name in enumerate(result.model_names) if name in _leaders(result)]
    headings = {"model": "Model"} | {metric: TITLES[metric] for metric in shown}
    return make_table(pd.DataFrame(rows), "Mean over folds, with the 95 % interval", headings, strong)


def against_baseline(result: CrossValidation) -> Table | None:
    """Every model against the best baseline, with the corrected test."""
    tests = result.comparisons(METRIC)
    caption = f"AUC against the best baseline, {result.best_baseline(METRIC)}"
    return _comparison_table(tests, caption) if len(tests) else None


def against_controls(result: CrossValidation) -> Table | None:
    """Each graph model against the best baseline and its network with no and with shuffled edges, as in the verdict."""
    tables = [_controls(result, name) for name in result.graph_models()]
    tables = [table for table in tables if len(table)]
    if not tables:
        return None
    caption = "AUC of each graph model against its rivals; Holm within the graph model"
    return _comparison_table(pd.concat(tables, ignore_index=True), caption, rival=True)


def site_table(result: CrossValidation) -> Table | None:
    """AUC on the test subjects of each site, of the models that matter; sites below 5 subjects hidden."""
    if result.cohort.site is None:
        return None
    names = site_models(result)
    tests = result.site_tests()
    tests = tests[tests["model"].isin(names)]
    sizes = tests.groupby("site")["n"].first().sort_index()
    cells = {(row.site, row.model): _site_cell(row) for row in tests.itertuples()}
    frame = pd.DataFrame({name: [cells[site, name] for site in sizes.index] for name in names})
    frame.insert(0, "subjects", pd.Series([_site_count(int(n)) for n in sizes], dtype=object))
    frame.insert(0, "site", sizes.index)
    headings = {"site": "Site", "subjects": "Subjects"} | {name: name for name in names}
    return make_table(frame, "AUC by site, test subjects only; p against chance, adjusted over sites", headings)


def _site_cell(row) -> Cell:
    """AUC with its adjusted p, or why there is none."""
    if row.n < SMALL:
        return DASH
    return Cell(decimal(row.auc, 2), row.note or f"p {p_text(row.p_fdr)}")


def calibration_table(result: CrossValidation) -> Table:
    """Brier score and calibration error of all test subjects together."""
    table = result.calibration()
    frame = table.assign(**{name: table[name].map(lambda value: Cell(decimal(value))) for name in table.columns[1:]})
    headings = {"model": "Model", "brier": "Brier", "ece": "Calibration error", "ece_calibrated": "If calibrated"}
    return make_table(frame, "Calibration of the test subjects, folds together", headings)


def site_models(result: CrossValidation) -> list[str]:
    """The models worth looking at site by site: the best baseline, the confounds, the graph models."""
    chosen = _leaders(result) | {"confounds", *result.graph_models()}
    return [name for name in result.model_names if name in chosen]


def without_small_sites(result: CrossValidation) -> CrossValidation | None:
    """The result on the subjects of sites of 5 and more; None where there are none."""
    if result.cohort.site is None:
        return None
    site = result.predictions["subject"].map(result.cohort.sites)
    sizes = result.cohort.sites.value_counts()
    kept = site.isin(sizes.index[sizes >= SMALL]).to_numpy()
    return replace(result, predictions=result.predictions[kept]) if kept.any() else None


def leaderboard_table(result: CrossValidation, claims: Mapping[str, str] | None = None) -> Table:
    """Every model, the best first: AUC, test against the best baseline, what it cost, what its authors published."""
    board = result.leaderboard(METRIC, claims)
    frame = pd.DataFrame(
        {
            "model": [Cell(row.model, row.role) for row in board.itertuples()],
            METRIC: [Cell(decimal(row.auc), span(row.low, row.high)) for row in board.itertuples()],
            "difference": [_difference_cell(row) for row in board.itertuples()],
            "seconds": board["seconds"].map(lambda value: Cell(f"{value:.1f}" if value >= 0.1 else "<0.1")),
            "parameters": board["parameters"].map(_count_cell),
            "peak_mb": board["peak_mb"].map(_count_cell),
        }
    )
    headings = {
        "model": "Model",
        METRIC: TITLES[METRIC],
        "difference": "To the best baseline",
        "seconds": "Seconds a fold",
        "parameters": "Parameters",
        "peak_mb": "Memory (MB)",
    }
    if claims and board["claim"].any():
        frame["claim"], headings["claim"] = board["claim"], "Published"
    strong = [i for i, name in enumerate(board["model"]) if name in _leaders(result)]
    return make_table(frame, "Leaderboard: the best first", headings, strong)


def _difference_cell(row) -> Cell:
    return Cell(DASH) if pd.isna(row.p_holm) else Cell(decimal(row.difference, sign=True), f"p {p_text(row.p_holm)}")


def _count_cell(value: float) -> Cell:
    return Cell(DASH) if pd.isna(value) else as_cell(int(value))


def total_minutes(result: CrossValidation) -> str:
    """Minutes of computing over all models and folds."""
    return f"{result.seconds['seconds'].sum() / 60:.1f}"


def reading(difference: float, p_holm: float) -> str:
    """What a comparison says, in words."""
    if p_holm >= 0.05:
        return "no difference shown"
    return "better" if difference > 0 else "worse"


def _leaders(result: CrossValidation) -> set[str]:
    return {result.best_baseline(METRIC), best_graph(result)} - {None}


def _controls(result: CrossValidation, name: str) -> pd.DataFrame:
    """The graph model (a) against its rivals (b), all on one Holm family."""
    rivals = [result.best_baseline(METRIC), *[f"{name}-{edges}-edges" for edges in CONTROLS]]
    scores = result.fold_scores
    tests = compare(scores[scores["model"].isin([name, *rivals])], against=name, metric=METRIC)
    swapped = {"model_a": tests["model_b"], "model_b": tests["model_a"], "difference": -tests["difference"]}
    return tests.assign(**swapped, low=-tests["high"], high=-tests["low"])


def _comparison_table(tests: pd.DataFrame, caption: str, rival: bool = False) -> Table:
    cells = [Cell(decimal(row.difference, sign=True), span(row.low, row.high)) for row in tests.itertuples()]
    frame = pd.DataFrame({"Model": tests["model_a"], "Against": tests["model_b"]})
    frame["Difference"] = pd.Series(cells, index=frame.index, dtype=object)
    frame["p"], frame["p (Holm)"] = tests["p"].map(p_text), tests["p_holm"].map(p_text)
    frame["Reading"] = [reading(row.difference, row.p_holm) for row in tests.itertuples()]
    strong = [i for i, text in enumerate(frame["Reading"]) if text != "no difference shown"]
    return make_table(frame if rival else frame.drop(columns="Against"), caption, strong=strong)


def _site_count(n: int) -> Cell:
    if n < SMALL:
        return Cell(f"<{SMALL}", "score withheld")
    return Cell(str(n), "too few to judge" if n < FEW_AT_SITE else "")
