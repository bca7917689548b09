"""Phenotype columns that give the class away, and whether the pipeline reads one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from graphfuse.audit.finding import Finding
from graphfuse.audit.pipeline import Outcome, Pipeline, Split, altered_outcome
from graphfuse.cohort import Cohort
from graphfuse.errors import LabelLeakageError

CHECK = "leak columns"


def column_findings(cohort: Cohort, columns: pd.DataFrame) -> list[Finding]:
    """What the table of `leak_columns` says about the cohort, and about the confounds that it names."""
    leaks = list(columns.loc[columns["verdict"] == "leak", "column"])
    confounds = list(columns.loc[columns["verdict"] == "confound", "column"])
    findings = [Finding(CHECK, "cohort", "pass", "no column gives the class away by value, absence or name")]
    if leaks:
        text = f"{len(leaks)} columns give the class away: {', '.join(leaks)}"
        findings = [
            Finding(
                CHECK, "cohort", "note", text, "cross_validate shows them to no model; keep them out of your own code."
            )
        ]
    if confounds:
        text = f"{len(confounds)} columns are confounds: {', '.join(confounds)}"
        findings.append(Finding("confounds", "cohort", "note", text, "Report every model beside these alone."))
    named = [name for name in (*cohort.confounds, cohort.site) if name in leaks]
    if named:
        text = f"the cohort names {', '.join(named)} as confounds or site, which give the class away"
        findings.append(Finding(CHECK, "cohort", "leak", text, "Take them out of confounds and site in cohort.toml."))
    return findings


def reads_leak_columns(
    pipeline: Pipeline, cohort: Cohort, splits: Sequence[Split], before: Outcome, leaks: Sequence[str]
) -> Finding:
    """Whether the pipeline asks for a column that gives the class away.

    An estimator is run as `cross_validate` runs it, where these columns are absent: asking raises, and what is left
    passes. A function of the user's is run without them and must give the same bits.
    """
    leaks = [name for name in leaks if name in cohort.phenotypes.columns]
    remedy = "Leave these columns out of features, edges and confounds."
    if pipeline.is_estimator or not leaks:
        return Finding(
            CHECK, pipeline.name, "pass", f"fitted without the {len(leaks)} columns that give the class away"
        )
    try:
        after = altered_outcome(pipeline, without_columns(cohort, leaks), splits)
        same = after.probabilities.tobytes() == before.probabilities.tobytes()
    except Exception as error:  # asking for an absent column may fail in any way
        return Finding(CHECK, pipeline.name, "leak", f"stops with {type(error).__name__} without them", remedy)
    if same:
        return Finding(
            CHECK, pipeline.name, "pass", f"same bits without the {len(leaks)} columns that give the class away"
        )
    gap = np.abs(after.probabilities - before.probabilities).max()
    return Finding(CHECK, pipeline.name, "leak", f"predictions change by up to {gap:.2g} without them", remedy)


def refused(pipeline: Pipeline, error: LabelLeakageError) -> Finding:
    """The finding for an estimator that asked for what is not there."""
    return Finding(CHECK, pipeline.name, "leak", f"refused: {error}", "Leave this column out.")


def without_columns(cohort: Cohort, columns: Sequence[str]) -> Cohort:
    """The cohort, labels kept, without these phenotypes."""
    gone = set(columns)
    roles = {name: None if getattr(cohort, name) in gone else getattr(cohort, name) for name in ("site", "group")}
    confounds = tuple(name for name in cohort.confounds if name not in gone)
    table = cohort.phenotypes.drop(columns=[name for name in cohort.phenotypes.columns if name in gone])
    return replace(cohort, phenotypes=table, confounds=confounds, **roles)
