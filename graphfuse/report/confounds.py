"""What can be told without a brain: the confounds alone, and the columns that give the class away."""

from __future__ import annotations

from graphfuse.evaluate.leaks import leak_columns
from graphfuse.evaluate.result import CrossValidation
from graphfuse.report.answer import score
from graphfuse.report.tables import Cell, Table, as_cell, decimal, make_table, span

MARKS = {"leak": "leak: withheld", "confound": "confound: kept", "ok": "ok"}


def confounds(result: CrossValidation) -> dict:
    """What the section on confounds says."""
    cohort = result.cohort
    audit = leak_columns(cohort.phenotypes.drop(columns=[cohort.target]), cohort.y)
    flagged = audit[audit["verdict"] != "ok"]
    return {
        "columns": [*cohort.confounds, *([cohort.site] if cohort.site else [])],
        "score": _score(result),
        "audit": audit_table(flagged) if len(flagged) else None,
        "quiet": audit.loc[audit["verdict"] == "ok", "column"].tolist(),
        "leaks": int((audit["verdict"] == "leak").sum()),
    }


def audit_table(flagged) -> Table:
    """The flagged columns with the AUC of their value and of their missingness."""
    frame = flagged.assign(
        value=[Cell(decimal(value, 2)) for value in flagged["value_auc"]],
        missing=[Cell(decimal(value, 2)) for value in flagged["missing_auc"]],
        instrument=[as_cell(bool(value)) for value in flagged["instrument"]],
        verdict=flagged["verdict"].map(MARKS),
    )
    headings = {
        "column": "Column",
        "verdict": "Verdict",
        "value": "AUC of its value",
        "missing": "AUC of its absence",
        "instrument": "Clinical instrument",
    }
    strong = [i for i, verdict in enumerate(flagged["verdict"]) if verdict == "leak"]
    return make_table(frame, "Columns that tell the classes apart", headings, strong)


def _score(result: CrossValidation) -> str | None:
    if "confounds" not in result.model_names:
        return None
    row = score(result, "confounds")
    return f"{decimal(row['mean'])} {span(row['low'], row['high'])}"
