from dataclasses import replace

import pytest

from graphfuse.report.brain import brain, region_table, stability


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
