"""Who was in and out, and why; counts only, small cells hidden."""

from __future__ import annotations

import numpy as np
import pandas as pd

from graphfuse.cohort import Cohort
from graphfuse.report.privacy import clean, subject_ids
from graphfuse.report.tables import Cell, Table, as_cell, make_table, suppress

MOST_REGIONS = 15


def people(cohort: Cohort) -> dict:
    """What the section on the people says."""
    masked = cohort.unusable()
    return {
        "kept": as_cell(len(cohort)).text,
        "left_out": int(cohort.exclusions["subject"].nunique()) if len(cohort.exclusions) else 0,
        "reasons": reasons(cohort),
        "sites": site_table(cohort),
        "modalities": modality_table(cohort),
        "masked": masked_table(masked),
        "masked_subjects": int(masked["subject"].nunique()),
        "masked_rest": max(len(masked.groupby(["modality", "region"])) - MOST_REGIONS, 0),
        "groups": groups(cohort),
    }


def reasons(cohort: Cohort) -> Table | None:
    """How many were left out for which reason; the reasons without ids and paths."""
    if not len(cohort.exclusions):
        return None
    ids = subject_ids(cohort)
    texts = cohort.exclusions["reason"].map(lambda text: clean(text, ids))
    counts = _same_but_numbers(texts).value_counts()
    frame = counts.rename_axis("reason").reset_index(name="subjects")
    return make_table(frame, "Left out while reading", {"reason": "Reason", "subjects": "Subjects"})


def site_table(cohort: Cohort) -> Table | None:
    """Class by site, cells below 5 hidden."""
    if cohort.site is None:
        return None
    names = pd.Categorical(cohort.phenotypes[cohort.target], categories=list(reversed(cohort.classes)))
    sites = cohort.sites.fillna("not known").astype(str).to_numpy()
    counts = pd.crosstab(sites, names, dropna=False)
    frame = suppress(counts).rename_axis("site").reset_index()
    headings = {"site": "Site"} | {name: str(name) for name in counts.columns}
    return make_table(frame, "Subjects by site and class", headings)


def modality_table(cohort: Cohort) -> Table | None:
    """What was measured, on which regions, and who lacks it by class."""
    if not cohort.signals:
        return None
    frame = pd.DataFrame([_modality(cohort, name) for name in cohort.signals])
    columns = ["Modality", "Kind", "Atlas", "Regions", "Measured", *_lacking_headings(cohort).values()]
    return make_table(frame, "Modalities", {column: column for column in columns})


def masked_table(masked: pd.DataFrame) -> Table | None:
    """The regions masked most often, with the number of subjects."""
    if not len(masked):
        return None
    counts = masked.groupby(["modality", "region"]).size().sort_values(ascending=False, kind="stable")
    frame = counts.head(MOST_REGIONS).rename("subjects").reset_index()[["region", "modality", "subjects"]]
    return make_table(
        frame, "Regions masked in single subjects", {"region": "Region", "modality": "Modality", "subjects": "Subjects"}
    )


def groups(cohort: Cohort) -> dict:
    """How many independent groups there are, and how many subjects share one or have someone else's scan."""
    size = np.bincount(cohort.groups)
    twins = np.zeros(len(cohort), dtype=bool)
    for signal in cohort.signals.values():
        marks = pd.Series(signal.fingerprints())
        twins |= (marks.notna() & marks.duplicated(keep=False)).to_numpy()
    sharing = int(size[size > 1].sum())
    return {"count": len(size), "sharing": sharing, "largest": int(size.max()), "same_scan": int(twins.sum())}


def _lacking_headings(cohort: Cohort) -> dict[str, str]:
    return {name: f"{name} without it" for name in reversed(cohort.classes)}


def _modality(cohort: Cohort, name: str) -> dict:
    signal, has = cohort.signals[name], cohort.has(name)
    lacking = cohort.phenotypes[cohort.target][~has].value_counts()
    counts = pd.DataFrame([{label: int(lacking.get(label, 0)) for label in reversed(cohort.classes)}])
    cells = counts if has.all() else suppress(counts)
    row = {
        "Modality": name,
        "Kind": signal.kind,
        "Atlas": signal.atlas.name if signal.atlas is not None else None,
        "Regions": signal.n_regions,
        "Measured": Cell(as_cell(int(has.sum())).text, f"{has.mean():.0%}"),
    }
    return row | {heading: cells[label].iloc[0] for label, heading in _lacking_headings(cohort).items()}


def _same_but_numbers(texts: pd.Series) -> pd.Series:
    """Reasons that differ by a number only (how many frames there were) become one, with a # for the number."""
    pattern = texts.str.replace(r"\d+(\.\d+)?", "#", regex=True)
    return texts.where(texts.groupby(pattern).transform("nunique") == 1, pattern)
