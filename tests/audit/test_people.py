from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.audit.people import near_duplicates, parted_groups, undeclared_families


def test_a_scan_that_was_cut_is_still_the_same_person():
    cohort = gf.simulate_cohort(30, n_frames=(150, 160), atlas_fmri="schaefer-100", seed=1).cohort
    series = [cohort.signals["fmri"][i] for i in range(30)]
    series[7] = series[4][5:] * 3 + 1  # another crop, another scale
    again = replace(cohort, signals={"fmri": gf.Signal.pack("timeseries", series, cohort.signals["fmri"].atlas)})
    assert near_duplicates(cohort)[0].verdict == "pass"
    found, pairs = near_duplicates(again)
    assert found.verdict == "doubt"
    assert pairs[["subject_a", "subject_b"]].to_numpy().tolist() == [list(cohort.subjects[[4, 7]])]
    assert cohort.subjects[4] not in found.finding


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("FAMILY_ID", True),
        ("fam", True),
        ("TwinPair", False),
        ("mother_code", True),
        ("famous", False),
        ("age2", False),
    ],
)
def test_columns_that_look_like_families(noise, name, family):
    column = [f"x{i // 3}" for i in range(len(noise))]
    found = undeclared_families(replace(noise, phenotypes=noise.phenotypes.assign(**{name: column})))
    assert found.verdict == ("doubt" if family else "pass")


def test_groups_on_both_sides_are_counted(noise):
    named = replace(noise, phenotypes=noise.phenotypes.assign(f=[f"x{i // 2}" for i in range(120)]), group="f")
    apart = [(np.arange(60), np.arange(60, 120))]
    parted = [(np.arange(61), np.arange(61, 120))]
    assert parted_groups(named, apart).verdict == "pass"
    assert "up to 1 persons" in parted_groups(named, parted).finding
