from dataclasses import replace

from graphfuse.evaluate.statistics import corrected_t_test
from graphfuse.report.scores import (
    against_baseline,
    against_controls,
    leaderboard_table,
    reading,
    score_table,
    site_table,
    without_small_sites,
)
from graphfuse.report.tables import decimal, p_text


def aucs(result, name):
    scores = result.fold_scores
    return scores[(scores["model"] == name) & (scores["metric"] == "auc")].reset_index()


def test_every_model_has_every_metric(result):
    table = score_table(result)
    assert [row[0].text for row in table.rows] == result.model_names
    assert table.columns[1] == "AUC"
    scores = result.scores.set_index(["model", "metric"])["mean"]
    assert table.rows[2][1].text == decimal(scores["ridge", "auc"])


def test_a_difference_is_the_graph_model_minus_its_rival(result):
    rows = {(row[0].text, row[1].text): row for row in against_controls(result).rows}
    for rival in (result.best_baseline(), "fusion-no-edges", "fusion-shuffled-edges"):
        a, b = aucs(result, "fusion"), aucs(result, rival)
        difference, _, p = corrected_t_test(a["value"], b["value"], a["n_train"], a["n_test"])
        assert rows["fusion", rival][2].text == decimal(difference, sign=True)
        assert rows["fusion", rival][3].text == p_text(p)


def test_every_other_model_meets_the_best_baseline(result):
    names = [row[0].text for row in against_baseline(result).rows]
    assert names == [name for name in result.model_names if name != result.best_baseline()]


def test_reading():
    assert [reading(0.1, 0.2), reading(0.1, 0.01), reading(-0.1, 0.01)] == ["no difference shown", "better", "worse"]


def test_a_site_below_five_shows_neither_its_size_nor_a_score(result):
    sites = result.cohort.phenotypes["site"].astype(object).copy()
    sites.iloc[:4] = "tiny"
    cohort = replace(result.cohort, phenotypes=result.cohort.phenotypes.assign(site=sites))
    table = site_table(small := replace(result, cohort=cohort))
    (row,) = [row for row in table.rows if row[0].text == "tiny"]
    assert row[1].text == "<5"
    assert {cell.text for cell in row[2:]} == {"–"}  # noqa: RUF001
    drawn = without_small_sites(small)
    assert set(drawn.by_site().index) == set(sites) - {"tiny"}
    assert not set(drawn.predictions["subject"]) & set(cohort.subjects[:4])


def test_the_leaderboard_starts_with_the_best_and_tells_what_each_cost(result):
    shown = leaderboard_table(result, {"fusion": "accuracy 99 %"})
    board = result.leaderboard()
    assert [row[0].text for row in shown.rows] == list(board["model"])
    assert board["auc"].is_monotonic_decreasing
    own = next(row for row in shown.rows if row[0].text == "fusion")
    assert own[-1].text == "accuracy 99 %"
    assert int(own[4].text.replace("\N{THIN SPACE}", "")) == board.set_index("model").loc["fusion", "parameters"]
    assert len(leaderboard_table(result).rows[0]) == len(shown.rows[0]) - 1
