from dataclasses import replace

import pandas as pd
import pytest

from graphfuse.report.brain import brain, check_table, region_table, stability


def test_without_fitted_graph_models_there_is_nothing_to_show(result):
    assert brain(replace(result, fitted={}), None, None) == {"there": False}


def test_regions_in_the_order_of_their_rank(result, importance):
    section = brain(replace(result, fitted={}), importance.iloc[::-1], None)
    assert [row[0].text for row in section["table"].rows] == list(importance["region"])
    assert len(section["pictures"]) == 1


def test_columns_that_a_file_lacks_are_left_out(importance):
    assert "Network" not in region_table(importance.drop(columns="network")).columns


@pytest.mark.parametrize(("icc", "unstable"), [(0.39, True), (0.41, False)])
def test_unstable_importances_are_warned_of(importance, icc, unstable):
    importance = importance.copy()
    importance.attrs |= {"icc": icc, "rank_stability": 0.2}
    assert stability(importance)[1] is unstable


def test_a_table_from_a_file_is_judged_by_its_stability(importance):
    plain = importance.copy()
    plain.attrs = {}
    assert stability(plain) == ("The 10 leading regions lead, on average, in 75% of the folds.", False)
    assert stability(plain.assign(stability=0.3))[1]


@pytest.fixture(scope="module")
def section(result, importance):
    return brain(result, importance, None)


def test_a_fitted_model_is_checked(section):
    table = section["trust"]["table"]
    assert [row[0].text for row in table.rows] == [
        "stability over folds",
        "stability over seeds",
        "random weights",
        "faithfulness",
    ]
    assert {row[1].text for row in table.rows} <= {"pass", "doubt"}
    assert "of 10 beaten" in table.rows[-1][2].note
    assert section["trust"]["picture"].source.startswith("data:image/svg+xml;base64,")
    assert "most important regions" in section["trust"]["picture"].alt


def test_a_table_without_models_cannot_be_checked(result, importance):
    assert brain(replace(result, fitted={}), importance, None)["trust"] is None


def test_a_doubt_is_stressed_and_takes_its_claim_back():
    rows = [("random weights", 0.31, "", "rank correlation below 0.2", False, "A network differs."),
            ("stability over folds", 0.7, "", "at least 0.4", True, "Models agree.")]  # fmt: skip
    table = check_table(pd.DataFrame(rows, columns=["check", "value", "detail", "bar", "passed", "meaning"]))
    assert table.strong == (0,)
    assert [row[1].text for row in table.rows] == ["doubt", "pass"]
    assert table.rows[0][4].text == "Not shown: a network differs."
    assert table.rows[1][4].text == "Models agree."
