"""People who are not independent: twice in the data, or relatives, on both sides of a split."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch

from graphfuse.audit.finding import Finding
from graphfuse.audit.pipeline import Split
from graphfuse.cohort import Cohort
from graphfuse.connectome import fisher_z, functional_connectivity, upper_triangle
from graphfuse.signal import Signal

ALIKE = 0.95  # correlation of two people's data from which they may be one person
FAMILY = re.compile(
    r"(?i)(^|[^a-z])(fam|family|families|household|mother|father|twin|sibling|siblings|pair|person|participant)([^a-z]|$)"
)
CHUNK = 1024


def parted_groups(cohort: Cohort, splits: Sequence[Split]) -> Finding:
    """Persons, families and equal scans that stand on both sides of a split."""
    parted = max(len(np.intersect1d(cohort.groups[train], cohort.groups[test])) for train, test in splits)
    if parted:
        text = f"up to {parted} persons, families or scans stand on both sides of a split"
        return Finding(
            "groups", "splits", "leak", text, "Use gf.Splits, or a grouped splitter with groups=cohort.groups."
        )
    text = f"{len(set(cohort.groups))} groups of {len(cohort)} subjects, each on one side of every split"
    return Finding("groups", "splits", "pass", text)


def undeclared_families(cohort: Cohort) -> Finding:
    """Columns that look like a family's or a person's id, with values that repeat, and are not the cohort's group."""
    found = [
        str(name)
        for name in cohort.phenotypes.columns
        if FAMILY.search(str(name)) and name != cohort.group and _repeats(cohort.phenotypes[name])
    ]
    if found:
        text = f"{', '.join(found)} looks like a family or a person; relatives may stand on both sides of a split"
        return Finding(
            "families", "cohort", "doubt", text, f'Set group = "{found[0]}" in cohort.toml, or rename the column.'
        )
    return Finding("families", "cohort", "pass", "no undeclared column looks like a family or a person")


def near_duplicates(cohort: Cohort) -> tuple[Finding, pd.DataFrame]:
    """Pairs of subjects of different groups, whom a split may part, whose data correlate above `ALIKE`.

    Time series are compared by their Fisher-z correlations (two scans of one person may differ in every frame), all
    else by values standardised over subjects.

    Returns
    -------
    Finding, and a table of the pairs: modality, subject_a, subject_b, r (ids: for the user's own eyes).
    """
    rows = [
        (name, cohort.subjects[i], cohort.subjects[j], round(r, 4))
        for name, signal in cohort.signals.items()
        for i, j, r in _pairs(signal)
        if cohort.groups[i] != cohort.groups[j]
    ]
    table = pd.DataFrame(rows, columns=["modality", "subject_a", "subject_b", "r"])
    table = table.sort_values("r", ascending=False, kind="stable", ignore_index=True)
    if len(table):
        most = f"r > {ALIKE}, the largest {table['r'][0]:.3f}"
        text = f"{len(table)} pairs of subjects in different groups are alike ({most})"
        remedy = "Look at the pairs; give the same person one value of a group column, and name it group."
        return Finding("near-duplicates", "cohort", "doubt", text, remedy), table
    return Finding(
        "near-duplicates", "cohort", "pass", f"no two subjects in different groups correlate above {ALIKE}"
    ), table


def _repeats(column: pd.Series) -> bool:
    values = column.dropna()
    return 1 < values.nunique() < len(values)


def _pairs(signal: Signal) -> Iterator[tuple[int, int, float]]:
    """Row numbers and correlation of the alike pairs, each once."""
    people = np.flatnonzero(signal.present)
    units = _unit_rows(signal)
    if units.shape[1] < 16:  # a few values that two people may share by chance
        return
    for begin in range(0, len(people), CHUNK):
        r = units[begin : begin + CHUNK] @ units.T
        for i, j in np.argwhere(r > ALIKE):
            if begin + i < j:
                yield people[begin + i], people[j], float(r[i, j])


def _unit_rows(signal: Signal) -> np.ndarray:
    """One row a measured subject, (n, P), of length 1, so that inner products are correlations."""
    if not signal.present.any():
        return np.zeros((0, 0))
    if signal.kind == "timeseries":
        usable = torch.as_tensor(signal.usable[signal.present])
        values = upper_triangle(fisher_z(functional_connectivity(signal.arrays(), usable=usable))).double().numpy()
    else:
        values = signal.stack().reshape(int(signal.present.sum()), -1).astype(np.float64)
        deviation = values.std(0)
        values = (values - values.mean(0)) / np.where(deviation > 0, deviation, np.inf)
    centred = values - values.mean(1, keepdims=True)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True).clip(1e-12)
