from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from graphfuse.cohort import Cohort
from graphfuse.evaluate.missingness import scores_by_pattern
from graphfuse.report.document import write_report
from graphfuse.report.missing import missing, pattern_scores, pattern_table, sentences, withheld
from graphfuse.signal import Signal

DASH = "–"  # noqa: RUF001


def people(counts: dict) -> Cohort:
    """counts: (class, modalities) -> how many."""
    rows = [key for key, n in counts.items() for _ in range(n)]
    table = pd.DataFrame({"dx": [dx for dx, _ in rows]}, index=[f"id{i}" for i in range(len(rows))])
    names = ("a", "b")
    signals = {
        name: Signal.pack("vector", [np.arange(3.0) + i if name in has else None for i, (_, has) in enumerate(rows)])
        for name in names
    }
    return Cohort(table, signals, "dx", ("well", "ill"))


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_patterns_are_counted_by_class():
    counts = {("ill", "ab"): 20, ("well", "ab"): 22, ("ill", "a"): 7, ("well", "a"): 9}
    table = pattern_table(people(counts))
    assert table.columns == ("Has", "ill", "well")
    assert texts(table) == [["a + b", "20", "22"], ["a", "7", "9"]]


def test_a_small_count_is_hidden_with_all_that_would_give_it_away():
    counts = {("ill", "ab"): 20, ("well", "ab"): 22, ("ill", "a"): 3, ("well", "a"): 9}
    assert texts(pattern_table(people(counts))) == [["a + b", "withheld", "22"], ["a", "<5", "9"]]
    counts |= {("ill", "b"): 8, ("ill", ""): 6, ("well", "b"): 8, ("well", ""): 6}
    table = texts(pattern_table(people(counts)))  # all who have a, less a + b, would be a: everything has to go
    assert [row[1] for row in table] == ["withheld", "withheld", "<5", "withheld"]
    assert [row[2] for row in table] == ["22", "8", "9", "6"]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_hidden_has_more_than_one_solution(seed):
    """By trying all counts: the sums that a reader knows leave every small count open, unless all are hidden."""
    rng = np.random.default_rng(seed)
    has = np.array(list(product([True, False], repeat=2)))[rng.permutation(4)[: rng.integers(3, 5)]]
    counts = rng.integers(0, 9, len(has))
    hidden = withheld(counts, has)
    assert hidden[counts < 5].all()
    if hidden.all() or not hidden.any():
        return
    sums = np.vstack([np.ones(len(has)), has.T])
    found = []
    for values in product(range(30), repeat=int(hidden.sum())):
        tried = counts.copy()
        tried[hidden] = values
        if np.array_equal(sums @ tried, sums @ counts):
            found.append(tried)
    for k in np.flatnonzero(counts < 5):
        assert len({tried[k] for tried in found}) > 1


def test_scores_stand_beside_their_loss_and_small_patterns_are_hidden(result):
    table = pattern_scores(result)
    expected = scores_by_pattern(result).set_index(["model", "pattern"])
    assert [row[0].text for row in table.rows] == result.model_names
    for row in table.rows:
        for pattern, cell in zip(table.columns[1:], row[1:], strict=True):
            there = expected.loc[(row[0].text, pattern)]
            assert cell.text == (DASH if there["n"] < 5 or np.isnan(there["score"]) else f"{there['score']:.3f}")
    few = replace(result, cohort=result.cohort.without("fmri", [0, 1]).without("smri", [0, 1]))
    table = pattern_scores(few)
    place = table.columns.index("nothing")
    assert {row[place].text for row in table.rows} == {DASH}
    assert (scores_by_pattern(few).query("pattern == 'nothing'")["n"] == 2).all()  # the table itself hides nothing


def test_missingness_that_tells_the_class_is_a_warning():
    told = people({("ill", "ab"): 10, ("ill", "a"): 30, ("well", "ab"): 30, ("well", "a"): 10})
    (sentence,) = sentences(told)
    assert sentence["warn"]
    assert "tells the classes apart" in sentence["text"]
    assert "p <0.001" in sentence["text"]
    even = people({("ill", "ab"): 20, ("ill", "a"): 20, ("well", "ab"): 20, ("well", "a"): 20})
    (sentence,) = sentences(even)
    assert not sentence["warn"]
    assert "not shown to depend on the class" in sentence["text"]


def test_a_site_without_the_modality_is_a_warning_too(cohort):
    gone = cohort.without("smri", (cohort.sites == "site-2").to_numpy())
    by_site = sentences(gone)[1]
    assert by_site["warn"]
    assert "depends on the site" in by_site["text"]


def test_the_page_has_the_section(result, tmp_path):
    quick = replace(result, fitted={})
    page = write_report(quick, tmp_path / "a.html").read_text(encoding="utf-8")
    assert '<section id="lacking">' in page
    assert '<a href="#lacking">Who lacked what</a>' in page
    assert "AUC by the modalities that test subjects have" in page
    whole = {name: signal for name, signal in result.cohort.signals.items() if name == "fmri"}
    page = write_report(replace(quick, cohort=replace(result.cohort, signals=whole)), tmp_path / "b.html")
    assert "All subjects have the same modalities" in page.read_text(encoding="utf-8")


def test_nothing_is_told_where_everybody_has_the_same():
    section = missing(type("Result", (), {"cohort": people({("ill", "ab"): 6, ("well", "ab"): 6})})())
    assert section == {"there": False, "patterns": None, "scores": None, "sentences": []}
