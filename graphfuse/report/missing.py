"""Who lacked which modality, what the models made of them, and whether the lack itself tells class or site."""

from __future__ import annotations

import numpy as np
import pandas as pd

from graphfuse.cohort import Cohort
from graphfuse.evaluate.missingness import missingness_tests, pattern_names, patterns, scores_by_pattern
from graphfuse.evaluate.result import CrossValidation
from graphfuse.report.answer import METRIC
from graphfuse.report.tables import DASH, SMALL, Cell, Table, as_cell, decimal, make_table, p_text

LEVEL = 0.05


def missing(result: CrossValidation) -> dict:
    """What the section on missing modalities says; no tables where everybody has the same."""
    cohort = result.cohort
    if len(pattern_names(cohort)) < 2:
        return {"there": False, "patterns": None, "scores": None, "sentences": []}
    return {
        "there": True,
        "patterns": pattern_table(cohort),
        "scores": pattern_scores(result),
        "sentences": sentences(cohort),
    }


def pattern_table(cohort: Cohort) -> Table:
    """How many of each class have which modalities, small cells and what would give them away hidden."""
    classes = pd.Categorical.from_codes(cohort.y, categories=list(cohort.classes))
    counts = pd.crosstab(patterns(cohort).to_numpy(), np.asarray(classes, dtype=object), dropna=False)
    counts = counts.reindex(index=pattern_names(cohort), columns=list(reversed(cohort.classes)), fill_value=0)
    has = np.array([[name in pattern.split(" + ") for name in cohort.signals] for pattern in counts.index])
    frame = pd.DataFrame({label: _cells(column.to_numpy(), has) for label, column in counts.items()}, dtype=object)
    frame.insert(0, "has", counts.index)
    headings = {"has": "Has"} | {name: str(name) for name in counts.columns}
    return make_table(frame, "Subjects by the modalities that they have, and class", headings)


def pattern_scores(result: CrossValidation) -> Table:
    """Every model on the test subjects of each pattern, with the loss against those who have everything."""
    table = scores_by_pattern(result, METRIC)
    cells = {(row.model, row.pattern): _score_cell(row) for row in table.itertuples()}
    names = [name for name in pattern_names(result.cohort) if name in set(table["pattern"])]
    rows = [
        {"model": name, **{pattern: cells.get((name, pattern), Cell(DASH)) for pattern in names}}
        for name in result.model_names
    ]
    headings = {"model": "Model"} | {name: name for name in names}
    return make_table(pd.DataFrame(rows), f"{METRIC.upper()} by the modalities that test subjects have", headings)


def sentences(cohort: Cohort) -> list[dict]:
    """Whether it tells the class or the site who has what, each a text and whether it is a warning."""
    return [_sentence(row) for row in missingness_tests(cohort).itertuples()]


def _sentence(row) -> dict:
    figures = f"chi-square test, p {p_text(row.p)}, Cramér’s V {decimal(row.v, 2)}"  # noqa: RUF001
    if row.p >= LEVEL:
        return {
            "text": f"Who has which modality is not shown to depend on the {row.against} ({figures}).",
            "warn": False,
        }
    if row.against == "class":
        text = (
            f"Who has which modality tells the classes apart ({figures}): a model may score by who was scanned and not "
            "by what the scan shows. Compare the models on those who have everything."
        )
    else:
        text = f"Who has which modality depends on the site ({figures}), so a loss by pattern is one between sites too."
    return {"text": text, "warn": True}


def _score_cell(row) -> Cell:
    if row.n < SMALL or pd.isna(row.score):
        return Cell(DASH)
    whole = pd.isna(row.loss) or row.loss == 0
    return Cell(decimal(row.score), "" if whole else f"{decimal(-row.loss, sign=True)}")


def _cells(counts: np.ndarray, has: np.ndarray) -> list[Cell]:
    """The counts of one class, hidden where they are small or would give a small one away."""
    hidden = withheld(counts, has)
    texts = [f"<{SMALL}" if n < SMALL else "withheld" for n in counts]
    return [Cell(text) if gone else as_cell(int(n)) for text, gone, n in zip(texts, hidden, counts, strict=True)]


def withheld(counts: np.ndarray, has: np.ndarray) -> np.ndarray:
    """Which counts must be hidden so that none below 5 can be reckoned from the others, bool (K,).

    A reader may know how many people there are and how many have each modality. A hidden count is given away when
    these sums, less what is shown, have one solution for it.

    Parameters
    ----------
    counts : int array (K,)
        People of each pattern.
    has : bool array (K, M)
        Which modalities a pattern holds.
    """
    small = counts < SMALL
    hidden = small.copy()
    sums = np.vstack([np.ones(len(counts)), has.T])  # (1 + M, K)
    while not hidden.all() and _given_away(small, hidden, sums):
        hidden[np.where(hidden, counts.max() + 1, counts).argmin()] = True
    return hidden


def _given_away(small: np.ndarray, hidden: np.ndarray, sums: np.ndarray) -> bool:
    """Whether the sums over the hidden counts determine a small one: its unit vector lies in their row space."""
    rows = sums[:, hidden]
    project = np.linalg.pinv(rows) @ rows  # onto the row space
    return bool((np.diag(project)[small[hidden]] > 1 - 1e-9).any())
