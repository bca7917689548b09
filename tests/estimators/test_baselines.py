from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import graphfuse as gf
from graphfuse.errors import GraphFuseError, InvalidOption


def test_majority_gives_the_shares_of_training(train, test):
    y = np.r_[np.zeros(30, int), np.ones(14, int)]
    p = gf.Majority().fit(train.blind(), y).predict_proba(test)
    np.testing.assert_allclose(p, np.tile([30 / 44, 14 / 44], (len(test), 1)))


def people(n=200, seed=0, **columns) -> gf.Cohort:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    table = pd.DataFrame({"dx": np.array(["a", "b"], object)[y], "motion": rng.standard_normal(n) + 1.5 * y})
    table = table.assign(sex=rng.choice(["M", "F"], n), **columns)
    table.index = [f"s{i}" for i in range(n)]
    return gf.Cohort(table, {}, "dx", ("a", "b"), confounds=("motion", "sex"))


def auc(cohort, **options):
    p = gf.Confounds(**options).fit(cohort[:100]).predict_proba(cohort[100:])
    return roc_auc_score(cohort[100:].y, p[:, 1])


def test_confounds_find_motion_and_only_in_the_columns_named():
    cohort = people()
    assert auc(cohort) > 0.75
    assert 0.35 < auc(cohort, columns=("sex",)) < 0.65


def test_site_is_read_too():
    cohort = people(hospital=np.array(["north", "south"])[np.arange(200) % 2])
    cohort = replace(cohort, site="hospital", confounds=())
    assert auc(cohort) > 0.99


@pytest.mark.parametrize(
    "odd",
    [
        pd.array([1, None, 3, 4] * 50, dtype="Int64"),
        pd.array([True, None, False, True] * 50, dtype="boolean"),
        pd.Categorical(["x", "y", None, "x"] * 50),
        np.array([1, "one", None, 2.5] * 50, object),
        np.full(200, np.nan),
        np.tile([True, False, False, True], 50),
    ],
    ids=["Int64", "boolean", "category", "mixed", "empty", "bool"],
)
def test_every_type_of_column_and_its_missing_values(odd):
    cohort = people(odd=odd)
    p = gf.Confounds(("odd", "motion")).fit(cohort[:100]).predict_proba(cohort[100:])
    assert np.isfinite(p).all()


def test_a_level_and_a_gap_that_training_never_had():
    cohort = people()
    new = cohort[100:]
    table = new.phenotypes.copy()
    table.loc[table.index[0], "sex"] = "other"
    table.loc[table.index[1], ["sex", "motion"]] = None, np.nan
    p = gf.Confounds().fit(cohort[:100]).predict_proba(replace(new, phenotypes=table))
    assert np.isfinite(p).all()


def test_a_column_that_is_not_there_and_nothing_to_read_are_refused():
    cohort = people()
    with pytest.raises(InvalidOption, match="ados"):
        gf.Confounds(("ados",)).fit(cohort)
    with pytest.raises(GraphFuseError, match="names no confounds"):
        gf.Confounds().fit(replace(cohort, confounds=()))


def test_confounds_that_are_all_withheld_leave_the_class_shares():
    cohort = replace(people(), site=None)
    blind = cohort.blind(drop=cohort.confounds)
    p = gf.Confounds().fit(blind, cohort.y).predict_proba(blind)
    assert np.allclose(p, np.bincount(cohort.y) / len(cohort))
