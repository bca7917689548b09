from dataclasses import replace

from graphfuse.evaluate.splits import Splits
from graphfuse.report.folds import folds, leaks, steps, tried


def test_sizes_are_those_of_the_folds(result):
    counts = result.folds.groupby(["role", "repeat", "fold"]).size()
    rows = {row[0].text: row[1].text for row in folds(result)["sizes"].rows}
    for name, role in (("Training set", "train"), ("Test set", "test")):
        low, high = counts[role].min(), counts[role].max()
        assert rows[name] == (str(low) if low == high else f"{low} – {high}")  # noqa: RUF001


def test_withheld_columns_with_their_folds(result):
    assert [[cell.text for cell in row] for row in leaks(result).rows] == [["ados_like", "3 of 3"]]
    assert leaks(replace(result, leaks=result.leaks.iloc[:0])) is None


def test_the_steps_of_every_model_say_what_they_used_and_what_saw_test_features_is_marked(result):
    table = steps(result)
    rows = {row[0].text: row for row in table.rows}
    assert list(rows) == result.model_names
    assert [cell.text for cell in rows["ridge"][1:]] == ["Ridge", "CohortVector, EdgeVector", "–"]  # noqa: RUF001
    assert rows["confounds"][3].text == "age, sex, mean_fd, site"
    assert [table.rows[i][0].text for i in table.strong] == ["population-transductive"]
    assert "features of unlabelled test subjects" in rows["population-transductive"][0].note
    assert rows["population-transductive"][3].text == "site, sex"
    assert steps(replace(result, steps=result.steps.iloc[:0])) is None


def test_how_many_settings_were_tried_is_said(result):
    assert tried(result) == [("ridge", 9)]


def test_leave_site_out_says_so(result):
    section = folds(replace(result, splits=Splits(leave_site_out=True)))
    assert section["kind"].startswith("Leave-one-site-out")
    assert "Stratified" not in section["rule"]
