import numpy as np
import pandas as pd

from graphfuse.cohort import Cohort
from graphfuse.report.people import groups, modality_table, people, reasons, site_table
from graphfuse.signal import Signal

COUNTS = {("a", "ill"): 20, ("a", "well"): 21, ("b", "ill"): 4, ("b", "well"): 30, ("c", "well"): 9, ("c", "ill"): 9}


def small_cohort(counts: dict, **options) -> Cohort:
    """counts: (site, class) -> how many."""
    rows = [key for key, n in counts.items() for _ in range(n)]
    table = pd.DataFrame(rows, columns=["site", "label"], index=[f"id{i}" for i in range(len(rows))])
    return Cohort(table, target="label", classes=("well", "ill"), site="site", **options)


def test_small_cells_of_class_by_site_are_hidden():
    cohort = small_cohort(COUNTS)
    table = site_table(cohort)
    assert table.columns == ("Site", "ill", "well")
    texts = [[cell.text for cell in row] for row in table.rows]
    assert texts[1] == ["b", "<5", "withheld"]
    assert sum(text.count("withheld") for text in texts) == 3  # one partner in each column and row, and no more
    assert not any("4" in row[1:] for row in texts)


def test_reasons_that_differ_by_a_number_are_one(cohort):
    texts = {row[0].text: row[1].text for row in reasons(cohort).rows}
    assert texts == {"fmri: # frames; # are needed": "2", "no site in …": "1"}


def test_a_single_reason_keeps_its_numbers():
    gone = pd.DataFrame({"subject": ["x"], "reason": ["12 frames"]})
    assert reasons(small_cohort({("a", "ill"): 6}, exclusions=gone)).rows[0][0].text == "12 frames"


def test_groups_count_shared_scans():
    scans = [np.ones((30, 4)) * i + np.eye(30, 4) for i in (1, 2, 2, 3, 4, 5)]
    cohort = small_cohort({("a", "ill"): 6}, signals={"m": Signal.pack("measures", scans)})
    assert groups(cohort) == {"count": 5, "sharing": 2, "largest": 2, "same_scan": 2}


def test_modalities_say_who_lacks_them():
    scans = [None] * 6 + [np.ones((4, 2)) + i for i in range(14)]
    cohort = small_cohort({("a", "ill"): 10, ("a", "well"): 10}, signals={"m": Signal.pack("measures", scans)})
    (row,) = modality_table(cohort).rows
    assert [cell.text for cell in row] == ["m", "measures", "–", "4", "14", "withheld", "<5"]  # noqa: RUF001
    assert row[4].note == "70%"


def test_masked_regions_are_counted_by_region(cohort):
    section = people(cohort)
    names = cohort.signals["fmri"].names
    shown = [[cell.text for cell in row] for row in section["masked"].rows]
    assert shown == [[names[4], "fmri", "2"], [names[5], "fmri", "1"]]
    assert section["masked_subjects"] == 2
    assert section["left_out"] == 3
