from __future__ import annotations

from dataclasses import replace

import numpy as np

import graphfuse as gf
from graphfuse.audit.columns import column_findings, without_columns


def test_leaks_are_noted_and_a_leak_among_the_confounds_is_a_leak(noise):
    cohort = replace(noise, phenotypes=noise.phenotypes.assign(score=noise.y + 0.0, ADOS=np.arange(120.0)))
    columns = gf.leak_columns(cohort.phenotypes.drop(columns="dx"), cohort.y)
    assert [found.verdict for found in column_findings(cohort, columns)] == ["note"]
    named = replace(cohort, confounds=("age", "ADOS"))
    last = column_findings(named, columns)[-1]
    assert last.verdict == "leak"
    assert "ADOS" in last.finding
    assert "score" not in last.finding


def test_a_cohort_without_columns_keeps_its_labels_and_loses_the_roles(noise):
    left = without_columns(noise, ["site", "age"])
    assert (left.site, left.confounds) == (None, ())
    assert np.array_equal(left.y, noise.y)
