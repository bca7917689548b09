from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from graphfuse.errors import InvalidOption
from graphfuse.harmonise import ComBat, apply_combat, fit_combat, fit_location_scale

combatlearn = pytest.importorskip("combatlearn")


def drawn(n=120, p=40, sites=5, seed=0):
    rng = np.random.default_rng(seed)
    site = np.r_[np.arange(sites).repeat(3), rng.integers(0, sites, n - 3 * sites)]
    age, sex = rng.normal(20, 5, n), rng.integers(0, 2, n)
    X = rng.normal(size=(n, p)) * (1 + 0.3 * site[:, None]) + rng.normal(size=(sites, p))[site] + 0.2 * age[:, None]
    return X, site, age, sex


@pytest.mark.parametrize("covariates", [False, True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_the_prior_over_sites_it_is_combatlearn_on_training_and_on_new_subjects(seed, covariates):
    X, site, age, sex = drawn(seed=seed)
    train, test = np.arange(80), np.arange(80, 120)
    extra = {"discrete_covariates": pd.DataFrame({"sex": sex}), "continuous_covariates": pd.DataFrame({"age": age})}
    oracle = combatlearn.ComBat(
        batch=pd.Series(site), method="fortin" if covariates else "johnson", **(extra if covariates else {})
    ).fit(pd.DataFrame(X).iloc[train])
    C = np.c_[age, sex].astype(float) if covariates else np.zeros((120, 0))
    parameters = fit_combat(X[train], site[train], C[train], prior="sites")
    for rows in (train, test):
        wanted = oracle.transform(pd.DataFrame(X).iloc[rows]).to_numpy()
        np.testing.assert_allclose(apply_combat(X[rows], site[rows], parameters, C[rows]), wanted, atol=1e-6)


@pytest.mark.parametrize("covariates", [False, True])
def test_the_step_on_a_cohort_is_combatlearn_too(four, covariates):
    cohort, codes, X = four
    extra = {
        "discrete_covariates": cohort.phenotypes[["sex"]],
        "continuous_covariates": cohort.phenotypes[["age"]],
    }
    frame = pd.DataFrame(X, index=cohort.subjects)
    oracle = combatlearn.ComBat(cohort.sites, method="fortin", **(extra if covariates else {})).fit(frame.iloc[:80])
    step = ComBat(("age", "sex") if covariates else (), prior="sites").fit(X[:80], cohort[:80], codes[:80])
    wanted = oracle.transform(frame.iloc[80:]).to_numpy()
    np.testing.assert_allclose(step.transform(X[80:], cohort[80:]), wanted, atol=1e-6)


def johnson(X: np.ndarray, site: np.ndarray, parametric: bool) -> np.ndarray:
    """ComBat without covariates as the paper and sva write it: loops over sites, columns and people."""
    n, p = X.shape
    adjusted = X.copy()
    pooled = sum(((X[site == s] - X[site == s].mean(0)) ** 2).sum(0) for s in np.unique(site)) / n
    Z = (X - X.mean(0)) / np.sqrt(pooled)
    for s in np.unique(site):
        rows = np.flatnonzero(site == s)
        g, d = Z[rows].mean(0), Z[rows].var(0, ddof=1)
        m, t2, v, s2 = g.mean(), g.var(ddof=1), d.mean(), d.var(ddof=1)
        a, b = (2 * s2 + v**2) / s2, (v * s2 + v**3) / s2
        for j in range(p):
            shift, spread = g[j], d[j]
            if parametric:
                for _ in range(200):
                    shift = (len(rows) * t2 * g[j] + spread * m) / (len(rows) * t2 + spread)
                    spread = (b + ((Z[rows, j] - shift) ** 2).sum() / 2) / (len(rows) / 2 + a - 1)
            else:
                other = np.delete(np.arange(p), j)
                likelihood = np.array([np.prod(np.exp(-((Z[rows, j] - g[k]) ** 2) / (2 * d[k])) / np.sqrt(d[k]))
                                       for k in other])  # fmt: skip
                shift, spread = (likelihood @ each[other] / likelihood.sum() for each in (g, d))
            adjusted[rows, j] = (Z[rows, j] - shift) / np.sqrt(spread) * np.sqrt(pooled[j]) + X[:, j].mean()
    return adjusted


@pytest.mark.parametrize(("parametric", "tolerance"), [(True, 1e-3), (False, 1e-9)])
def test_by_default_it_is_the_paper_in_loops(parametric, tolerance):
    X, site, *_ = drawn(60, 15, 3)
    parameters = fit_combat(X, site, parametric=parametric)
    # the iteration stops at a relative change of 1e-4, the loops go on
    np.testing.assert_allclose(apply_combat(X, site, parameters), johnson(X, site, parametric), atol=tolerance)


def test_a_planted_site_effect_goes_and_a_covariate_effect_stays(four):
    cohort, codes, X = four
    Z = ComBat(("age",)).fit(X, cohort, codes).transform(X, cohort)
    age = cohort.phenotypes["age"].to_numpy()
    slopes = [np.polyfit(age, column, 1)[0] for column in Z.T]
    assert np.mean(slopes) == pytest.approx(0.3, abs=0.03)
    residual = Z - 0.3 * age[:, None]
    means = np.array([residual[cohort.sites == s].mean(0) for s in "wxyz"])
    deviations = np.array([residual[cohort.sites == s].std(0).mean() for s in "wxyz"])
    before = np.array([(X - 0.3 * age[:, None])[cohort.sites == s].mean(0) for s in "wxyz"])
    assert means.std(0).mean() < 0.1 < 1 < before.std(0).mean()
    assert np.ptp(deviations) < 0.15  # 0.5 to 2 before


def test_a_small_site_is_shrunk_more_than_a_large_one():
    rng = np.random.default_rng(0)
    site = np.repeat([0, 1, 2], [100, 100, 4])
    X = rng.standard_normal((204, 200)) + 0.3 * rng.standard_normal((3, 200))[site]
    raw, shrunk = (fit(X, site)["shift"] for fit in (fit_location_scale, fit_combat))
    ratio = shrunk.std(1) / raw.std(1)
    assert ratio[2] < 0.7 < 0.8 < ratio[0] < 1


def test_one_column_is_not_shrunk_and_options_are_checked():
    X, site, *_ = drawn(p=1)
    Z = apply_combat(X, site, fit_combat(X, site))
    for s in range(5):
        assert Z[site == s].mean() == pytest.approx(X.mean(), abs=1e-9)
    with pytest.raises(InvalidOption, match="prior"):
        fit_combat(X, site, prior="genes")
    with pytest.raises(InvalidOption, match="parametric"):
        fit_combat(X, site, prior="sites", parametric=False)


@pytest.mark.parametrize("options", [{}, {"prior": "sites"}, {"parametric": False}])
def test_identical_subjects_of_a_site_constant_columns_and_huge_values_give_no_nan(options):
    X, site, *_ = drawn(40, 12, 4)
    X[site == 2] = X[site == 2][0]
    X[:, 3], X[:, 4], X[:, 5] = 7.5, site, X[:, 5] * 1e12
    with warnings.catch_warnings(action="error"):
        Z = apply_combat(X, site, fit_combat(X, site, **options))
    assert np.isfinite(Z).all()
    assert np.array_equal(Z[:, 3], X[:, 3])
    assert np.ptp(Z[:, 4]) < 3  # nothing but site: some of it goes


def test_it_is_equivariant_to_units():
    X, site, *_ = drawn()
    unit = 10.0 ** np.linspace(-6, 6, X.shape[1])
    Z, scaled = (apply_combat(x, site, fit_combat(x, site)) for x in (X, X * unit))
    np.testing.assert_allclose(scaled / unit, Z, rtol=1e-9, atol=1e-9)
