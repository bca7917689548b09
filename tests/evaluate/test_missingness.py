from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, fisher_exact
from sklearn.metrics import brier_score_loss, roc_auc_score

from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, LabelLeakageError
from graphfuse.estimators.ridge import Ridge
from graphfuse.evaluate.cross_validation import cross_validate
from graphfuse.evaluate.missingness import missingness_tests, pattern_names, patterns, scores_by_pattern
from graphfuse.evaluate.splits import Splits
from graphfuse.signal import Signal
from graphfuse.simulate import simulate_cohort

N = 60


@pytest.fixture(scope="module")
def cohort():
    whole = simulate_cohort(N, n_frames=(40, 50), missing={}, n_sites=2, seed=0).cohort
    return whole.without("smri", np.arange(N) % 3 == 0).without("fmri", np.arange(N) % 10 == 1)


@pytest.fixture(scope="module")
def result(cohort):
    models = {"smri": Ridge(("smri",)), "fmri": Ridge(("fmri",))}
    return cross_validate(models, cohort, Splits(folds=3, repeats=2), baselines="none")


def people(counts: dict, **options) -> Cohort:
    """counts: (class, site, who has it) -> how many."""
    rows = [key for key, n in counts.items() for _ in range(n)]
    table = pd.DataFrame(rows, columns=["dx", "site", "has"], index=[f"s{i}" for i in range(len(rows))])
    scans = [np.arange(3.0) + i if row[2] else None for i, row in enumerate(rows)]
    signals = {"m": Signal.pack("vector", scans)}
    return Cohort(table[["dx", "site"]], signals, "dx", ("well", "ill"), **options)


def test_patterns_name_what_each_person_has(cohort):
    found = patterns(cohort)
    assert found.index.equals(cohort.subjects)
    assert found.iloc[[0, 1, 2, 21]].tolist() == ["fmri", "smri", "fmri + smri", "nothing"]
    assert pattern_names(cohort) == ["fmri + smri", "fmri", "smri", "nothing"]
    assert patterns(Cohort(cohort.phenotypes)).unique().tolist() == ["nothing"]


@pytest.mark.parametrize("metric", ["auc", "brier"])
def test_scores_are_those_of_the_people_of_a_pattern_folds_together(result, metric):
    table = scores_by_pattern(result, metric)
    found = patterns(result.cohort)
    wanted = {}
    for (model, _), part in result.predictions.groupby(["model", "repeat"]):
        here = part["subject"].map(found)
        for name in found.unique():
            rows = part[(here == name).to_numpy()]
            y, p = (rows["y_true"] == "autism").to_numpy(), rows["p_autism"]
            single = metric == "auc" and y.all() == y.any()
            score = roc_auc_score(y, p) if metric == "auc" and not single else brier_score_loss(y, p)
            wanted.setdefault((model, name), []).append(np.nan if single else score)
    assert table["model"].unique().tolist() == ["smri", "fmri"]
    assert table["score"].isna().sum() == (2 if metric == "auc" else 0)  # "nothing": four people of one class
    for row in table.itertuples():
        assert row.score == pytest.approx(np.mean(wanted[row.model, row.pattern]), nan_ok=True)
        gap = np.mean(wanted[row.model, "fmri + smri"]) - row.score
        assert row.loss == pytest.approx(gap if metric == "auc" else -gap, nan_ok=True)
        assert row.n == (found == row.pattern).sum()


def test_who_lacks_what_the_model_reads_is_scored_at_chance_within_a_fold(result):
    one = replace(result, predictions=result.predictions.query("repeat == 0 and fold == 0"))
    table = scores_by_pattern(one).set_index(["model", "pattern"])
    assert table.loc[("smri", "fmri"), "score"] == 0.5
    assert table.loc[("fmri", "fmri"), "score"] != 0.5


def test_the_loss_is_not_known_where_nobody_has_everything(cohort):
    apart = cohort.without("smri", cohort.has("fmri"))
    result = cross_validate({"fmri": Ridge(("fmri",))}, apart, Splits(folds=3), baselines="none")
    table = scores_by_pattern(result)
    assert set(table["pattern"]) == {"fmri", "smri", "nothing"}
    assert table["loss"].isna().all()


def test_an_unknown_metric_is_refused(result):
    with pytest.raises(InvalidOption, match="metric"):
        scores_by_pattern(result, "f1")


def test_association_with_the_class_is_pearsons():
    cohort = people(
        {("ill", "a", True): 20, ("ill", "a", False): 30, ("well", "a", True): 35, ("well", "a", False): 15}
    )
    (row,) = missingness_tests(cohort).itertuples()
    expected = np.array([27.5, 22.5])
    statistic = 2 * np.square(np.array([20, 30]) - expected) @ (1 / expected)
    assert (row.against, row.n) == ("class", 100)
    assert row.chi2 == pytest.approx(statistic)
    assert row.p == pytest.approx(chi2.sf(statistic, 1))
    assert row.v == pytest.approx(np.sqrt(statistic / 100))


def test_few_people_are_judged_by_drawn_tables():
    cohort = people({("ill", "a", False): 4, ("ill", "a", True): 6, ("well", "a", True): 12})
    (row,) = missingness_tests(cohort).itertuples()
    assert row.p == pytest.approx(fisher_exact([[4, 6], [0, 12]]).pvalue, abs=0.01)
    assert abs(row.p - chi2.sf(row.chi2, 1)) > 0.01
    assert missingness_tests(cohort).equals(missingness_tests(cohort))


def test_a_modality_that_a_whole_site_lacks_tells_the_site_and_not_the_class():
    counts = {("ill", "a", True): 20, ("well", "a", True): 20, ("ill", "b", False): 15, ("well", "b", False): 15}
    table = missingness_tests(people(counts, site="site")).set_index("against")
    assert table.loc["site", "v"] == pytest.approx(1)
    assert table.loc["site", "p"] < 1e-6
    assert table.loc["class", "p"] == pytest.approx(1)


def test_nothing_to_test_where_everybody_is_alike():
    assert not len(missingness_tests(people({("ill", "a", True): 9, ("well", "a", True): 9})))


def test_labels_are_needed(cohort):
    with pytest.raises(LabelLeakageError):
        missingness_tests(cohort.blind())
