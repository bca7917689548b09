from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import graphfuse as gf
from graphfuse.errors import InvalidOption, LabelLeakageError, LeakColumn, NotFitted
from graphfuse.harmonise import RegressOut


def test_it_is_the_residual_of_scikit_learns_regression_with_the_mean_kept(four):
    cohort, codes, X = four
    table = cohort.phenotypes
    C = np.c_[table["age"], pd.get_dummies(table[["sex", "site"]], drop_first=True)].astype(float)
    reference = LinearRegression().fit(C[:80], X[:80])
    wanted = X[80:] - reference.predict(C[80:]) + X[:80].mean(0)
    step = RegressOut(("age", "sex", "site")).fit(X[:80], cohort[:80], codes[:80])
    np.testing.assert_allclose(step.transform(X[80:], cohort[80:]), wanted, atol=1e-9)
    np.testing.assert_allclose(step.transform(X[:80], cohort[:80]).mean(0), X[:80].mean(0), atol=1e-9)


def test_a_missing_number_is_the_training_median_and_a_missing_text_a_level(make):
    rng = np.random.default_rng(0)
    age = np.r_[np.nan, rng.normal(10, 2, 39)]
    sex = np.array([None, "F", "M", "M"] * 10, object)
    cohort = make(["w"] * 40, age=age, sex=sex)
    filled = make(["w"] * 40, age=np.r_[np.median(age[1:]), age[1:]], sex=np.where(sex == None, "?", sex))  # noqa: E711
    X = rng.standard_normal((40, 3)) + 2 * (sex == None)[:, None]  # noqa: E711
    a, b = (RegressOut(("age", "sex")).fit(X, c).transform(X, c) for c in (cohort, filled))
    np.testing.assert_allclose(a, b, atol=1e-12)
    assert abs(a[sex == None].mean() - a[sex == "M"].mean()) < 1e-9  # noqa: E711


def test_a_level_that_training_lacks_has_no_effect(make):
    X = np.random.default_rng(0).standard_normal((40, 3))
    step = RegressOut(("sex",)).fit(X, make(["w"] * 40))
    other = make(["w"] * 40, sex=["X"] * 40)
    assert np.array_equal(step.transform(X, other), X)


def test_collinear_and_constant_columns_are_harmless(four):
    cohort, codes, X = four
    double = gf.Cohort(cohort.phenotypes.assign(months=12 * cohort.phenotypes["age"], one=1.0), site="site")
    a = RegressOut(("age", "months", "one")).fit(X, double, codes).transform(X, double)
    b = RegressOut(("age",)).fit(X, cohort, codes).transform(X, cohort)
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_fitting_reads_no_test_row_and_no_class(four):
    cohort, codes, X = four
    a = RegressOut(("age",)).fit(X[:80], cohort[:80], codes[:80])
    b = RegressOut(("age",)).fit(X[:80], cohort[:80])
    assert np.array_equal(a.slopes_, b.slopes_)
    assert (a.uses_y, a.scope, a.phenotypes_read) == (False, "training", ("age",))


def test_the_refusals(four):
    cohort, codes, X = four
    with pytest.raises(LabelLeakageError, match="dx"):
        RegressOut(("dx",)).fit(X, cohort, codes)
    with pytest.raises(InvalidOption, match="iq"):
        RegressOut(("iq",)).fit(X, cohort, codes)
    with pytest.raises(InvalidOption, match="at least one"):
        RegressOut(()).fit(X, cohort, codes)
    with pytest.raises(LeakColumn, match="arm"):
        RegressOut(("arm",)).fit(X, gf.Cohort(cohort.phenotypes.assign(arm=codes)), codes)
    holed = np.where(np.arange(120) % 3 == 0, np.nan, codes)
    half = gf.Cohort(cohort.phenotypes.assign(half=np.where(codes == 1, np.nan, 1.0), fine=holed))
    with pytest.raises(LeakColumn, match="half"):
        RegressOut(("fine", "half")).fit(X, half, codes)
    with pytest.raises(InvalidOption, match="more training subjects"):
        RegressOut(("age",)).fit(X[:2], cohort[:2])
    with pytest.raises(NotFitted):
        RegressOut(("age",)).transform(X, cohort)


def test_a_difference_that_is_motion_and_nothing_else_goes_with_the_motion():
    """V12: patients move more, motion is in every feature, and the diagnosis is in none."""
    scores = {None: [], RegressOut(("motion",)): []}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        y = np.arange(300) % 2
        motion = rng.standard_normal(300) + 0.6 * y
        X = rng.standard_normal((300, 40)) + motion[:, None] * rng.standard_normal(40)
        table = pd.DataFrame(
            {"dx": np.array(["a", "b"], object)[y], "motion": motion}, index=[f"s{i}" for i in range(300)]
        )
        signal = gf.Signal.pack("vector", list(X), columns=[f"f{i}" for i in range(40)])
        cohort = gf.Cohort(table, {"fc": signal}, "dx", ("a", "b"), confounds=("motion",))
        for step, found in scores.items():
            result = gf.cross_validate({"r": gf.Ridge(adjust=step)}, cohort, gf.Splits(folds=5), baselines="none")
            found.append(result.scores.set_index("metric").loc["auc", "mean"])
    raw, adjusted = (np.mean(found) for found in scores.values())
    assert raw > 0.6
    assert abs(adjusted - 0.5) < 0.04
