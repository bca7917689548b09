"""The audit: every check on every pipeline, a table and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from textwrap import fill

import pandas as pd
from joblib import Parallel, delayed, parallel_config

from graphfuse._check import check_range
from graphfuse._progress import progress
from graphfuse._threads import one_thread
from graphfuse.audit.brought import brought_along
from graphfuse.audit.chance import label_permutation
from graphfuse.audit.columns import column_findings, reads_leak_columns, refused
from graphfuse.audit.feature_swap import feature_swap
from graphfuse.audit.finding import VERDICTS, Finding
from graphfuse.audit.label_flip import label_flip
from graphfuse.audit.people import near_duplicates, parted_groups, undeclared_families
from graphfuse.audit.pipeline import Pipeline, Split
from graphfuse.audit.reachable import reachable_labels
from graphfuse.audit.repeat import repeat
from graphfuse.cohort import Cohort
from graphfuse.errors import LabelLeakageError
from graphfuse.estimators.baselines import Confounds
from graphfuse.evaluate.cross_validation import cross_validate
from graphfuse.evaluate.leaks import leak_columns
from graphfuse.evaluate.splits import Splits, draw


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit found.

    Parameters
    ----------
    table : DataFrame
        check, about, verdict, finding, remedy; worst first.
    columns : DataFrame
        What `leak_columns` says of the phenotypes.
    pairs : DataFrame
        Near-duplicates: modality, subject_a, subject_b, r.
    """

    table: pd.DataFrame
    columns: pd.DataFrame = field(repr=False)
    pairs: pd.DataFrame = field(repr=False)

    @property
    def verdict(self) -> str:
        """The worst of the table: leak, doubt or pass."""
        worst = next((v for v in VERDICTS if (self.table["verdict"] == v).any()), "pass")
        return "pass" if worst == "note" else worst

    def __str__(self) -> str:
        counts = self.table["verdict"].value_counts()
        said = ", ".join(f"{counts[v]} {v}" for v in VERDICTS if v in counts)
        return "\n".join([*(_lines(row) for row in self.table.itertuples()), f"Verdict: {self.verdict} ({said})"])


def run_audit(
    pipelines,
    cohort: Cohort,
    splits=None,
    *,
    permutations: int = 10,
    n_jobs: int = 1,
    random_state: int = 0,
) -> Audit:
    """Try to make pipelines cheat on this cohort, and say where they can.

    Label-flip invariance, feature swap, label permutation, test labels in reach of a fitted step, state brought along,
    leak columns by value, absence and name, undeclared families, near-duplicates across folds, confounds only.

    Parameters
    ----------
    pipelines : estimator, callable, or dict of str to these
        Any scikit-learn-style estimator over a `Cohort`, or a function ``(cohort, train, test) -> probabilities
        (n_test, C)`` (optionally with what it fitted), run as its author would run it.
    cohort : Cohort
        With labels.
    splits : Splits, any scikit-learn splitter, or None
        None = ``Splits(folds=5)``.
    permutations : int
        Fits under permuted labels a pipeline; 0 leaves the check out.
    n_jobs : int
        Processes, through joblib.
    random_state : int

    Returns
    -------
    Audit
    """
    check_range("permutations", permutations, 0)
    pipelines = pipelines if isinstance(pipelines, Mapping) else {"model": pipelines}
    folds = draw(splits or Splits(folds=5), cohort)
    columns = leak_columns(cohort.phenotypes.drop(columns=[cohort.target]), cohort.y)
    leaks = tuple(columns.loc[columns["verdict"] == "leak", "column"])
    alike, pairs = near_duplicates(cohort)
    findings = [parted_groups(cohort, folds), undeclared_families(cohort), alike, *column_findings(cohort, columns)]
    findings += _confounds_only(cohort, leaks)
    with parallel_config("loky", inner_max_num_threads=1):
        work = Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(audit_pipeline)(Pipeline(name, run), cohort, folds, leaks, permutations, random_state)
            for name, run in pipelines.items()
        )
        for found in progress(work, "Auditing", total=len(pipelines)):
            findings += found
    return Audit(_table(findings), columns, pairs)


def audit_pipeline(
    pipeline: Pipeline,
    cohort: Cohort,
    splits: Sequence[Split],
    leaks: Sequence[str] = (),
    permutations: int = 10,
    seed: int = 0,
) -> list[Finding]:
    """Every check of one pipeline, on the first two folds (a function may carry something from one to the next)."""
    judged = list(splits[:1] if pipeline.is_estimator else splits[:2])
    findings = [brought_along(pipeline)]
    with one_thread():
        try:
            before = pipeline.outcome(cohort, judged)
        except LabelLeakageError as error:
            return [*findings, refused(pipeline, error)]
        findings.append(repeat(pipeline, cohort, judged, before))
        if findings[-1].verdict == "pass":
            findings.append(label_flip(pipeline, cohort, judged, before, seed))
            findings.append(feature_swap(pipeline, cohort, judged, before, seed))
            findings.append(reads_leak_columns(pipeline, cohort, judged, before, leaks))
        findings.append(_in_reach(pipeline, cohort, judged, before))
        if permutations:
            findings.append(label_permutation(pipeline, cohort, splits, permutations, seed))
    return findings


def _in_reach(pipeline: Pipeline, cohort: Cohort, splits: Sequence[Split], before) -> Finding:
    places = reachable_labels((pipeline.run, before.fitted), cohort, splits[-1][1])
    if places:
        text = f"test labels can be reached: {', '.join(p.replace('model[0]', 'pipeline') for p in places[:3])}"
        return Finding(
            "labels in reach", pipeline.name, "leak", text, "Give each step the training labels and nothing else."
        )
    return Finding("labels in reach", pipeline.name, "pass", "no test label hangs on the pipeline or on what it fitted")


def _confounds_only(cohort: Cohort, leaks: Sequence[str]) -> list[Finding]:
    """What a diagnosis costs without a brain."""
    kept = [name for name in (*cohort.confounds, *([cohort.site] if cohort.site else [])) if name not in leaks]
    if not kept:
        text = "the cohort names no confounds and no site"
        return [Finding("confounds only", "cohort", "doubt", text, "Name age, sex, motion: confounds = [...].")]
    result = cross_validate({"confounds": Confounds(kept)}, cohort, Splits(folds=5), baselines="none")
    row = result.scores.set_index("metric").loc["auc"]
    text = f"AUC {row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}] from {', '.join(kept)} alone"
    return [Finding("confounds only", "cohort", "note", text, "A model is worth what it adds to this.")]


def _lines(row) -> str:
    """A finding for a terminal: verdict, check and whom it is about, then what was found and what to do."""
    remedy = f" {row.remedy}" if row.remedy else ""
    text = f"{row.finding[:1].upper()}{row.finding[1:]}.{remedy}"
    indent = " " * 7
    return (
        f"{row.verdict:<6} {row.check}, {row.about}\n{fill(text, 110, initial_indent=indent, subsequent_indent=indent)}"
    )


def _table(findings: Sequence[Finding]) -> pd.DataFrame:
    table = pd.DataFrame([asdict(f) for f in findings], columns=[part.name for part in fields(Finding)])
    rank = table["verdict"].map({verdict: i for i, verdict in enumerate(VERDICTS)})
    return table.iloc[rank.argsort(kind="stable")].reset_index(drop=True)
