from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

import graphfuse as gf
from graphfuse.errors import (
    ConfoundedSite,
    InvalidOption,
    LabelLeakageError,
    LeakColumn,
    NonFinite,
    NotFitted,
    ShapeMismatch,
    SiteTooSmall,
    UnseenSite,
)
from graphfuse.harmonise import ComBat, LocationScale

STEPS = [LocationScale(min_site=2), ComBat(), ComBat(parametric=False), ComBat(prior="sites")]


@pytest.fixture(params=STEPS, ids=repr)
def step(request):
    return clone(request.param)


def test_every_site_gets_the_grand_mean_and_the_pooled_variance(four):
    cohort, codes, X = four
    Z = LocationScale().fit(X, cohort, codes).transform(X, cohort)
    residual = sum(((X[cohort.sites == s] - X[cohort.sites == s].mean(0)) ** 2).sum(0) for s in "wxyz") / len(X)
    for s in "wxyz":
        np.testing.assert_allclose(Z[cohort.sites == s].mean(0), X.mean(0), atol=1e-9)
        np.testing.assert_allclose(Z[cohort.sites == s].var(0, ddof=1), residual, rtol=1e-9)


def test_fitting_reads_no_test_row(step, four):
    cohort, codes, X = four
    train = np.arange(120) < 80
    other = np.where(train[:, None], X, 1e6 * np.random.default_rng(0).standard_normal(X.shape))
    a, b = (clone(step).fit(x[train], cohort[train], codes[train]) for x in (X, other))
    assert all(np.array_equal(a.parameters_[key], b.parameters_[key]) for key in a.parameters_)
    a.transform(other[~train], cohort[~train])
    assert all(np.array_equal(a.parameters_[key], b.parameters_[key]) for key in a.parameters_)


def test_the_classes_move_nothing_that_is_fitted(step, four):
    cohort, codes, X = four
    a, b = (clone(step).fit(X, cohort, c) for c in (codes, None))
    assert all(np.array_equal(a.parameters_[key], b.parameters_[key]) for key in a.parameters_)
    assert step.uses_y is False
    assert clone(step).set_params(covariates=("age",)).fit(X, cohort).phenotypes_read == ("age", "site")


# ---- refusals


@pytest.mark.parametrize("kind", [LocationScale, ComBat])
def test_the_diagnosis_is_no_covariate(four, kind):
    cohort, codes, X = four
    with pytest.raises(LabelLeakageError, match="'dx'"):
        kind(("dx",)).fit(X, cohort, codes)
    leak = gf.Cohort(cohort.phenotypes.assign(ados=1.0 * codes), site="site").blind(drop=["ados"])
    with pytest.raises(LabelLeakageError, match="'ados'"):
        kind(("ados",)).fit(X, leak, codes)
    with pytest.raises(InvalidOption, match=r"agee.*age"):
        kind(("agee",)).fit(X, cohort, codes)


@pytest.mark.parametrize("values", [lambda c: c, lambda c: np.where(c, "p", "q"), lambda c: 1.5 * c])
def test_a_copy_of_the_diagnosis_under_another_name_is_refused_by_its_values(four, values):
    cohort, codes, X = four
    copy = gf.Cohort(cohort.phenotypes.assign(arm=values(codes)), site="site")
    with pytest.raises(LeakColumn, match="'arm'"):
        ComBat(("age", "arm")).fit(X, copy, codes)


def test_there_must_be_a_site_column_and_every_subject_a_site(step, four):
    cohort, codes, X = four
    with pytest.raises(InvalidOption, match="needs a site column"):
        step.fit(X, cohort.blind(drop=["site"]), codes)
    holed = cohort.phenotypes.copy()
    holed.loc[holed.index[3], "site"] = None
    with pytest.raises(InvalidOption, match="1 have none"):
        step.fit(X, gf.Cohort(holed, site="site"), codes)


def test_site_is_no_covariate_of_its_own_removal_under_any_name(four):
    cohort, codes, X = four
    with pytest.raises(InvalidOption, match="must not hold the site"):
        ComBat(("site",)).fit(X, cohort, codes)
    scanner = gf.Cohort(cohort.phenotypes.assign(tesla=np.where(cohort.sites.isin(["w", "x"]), 3.0, 1.5)), site="site")
    with pytest.raises(InvalidOption, match="function of site"):
        ComBat(("age", "tesla")).fit(X, scanner, codes)


def test_site_that_is_the_class_is_refused(step, make):
    site = np.repeat(["w", "x", "y", "z"], 10)
    codes = np.repeat([0, 1, 0, 1], 10)
    X = np.random.default_rng(0).standard_normal((40, 5))
    with pytest.raises(ConfoundedSite, match="each of the 4 training sites"):
        step.fit(X, make(site, codes), codes)


def test_a_site_of_one_class_or_a_strong_association_is_a_warning(step, make):
    X = np.random.default_rng(0).standard_normal((80, 5))
    site = np.repeat(["w", "x"], 40)
    strong = np.repeat([0, 1, 0, 1], [33, 7, 7, 33])
    with pytest.warns(gf.GraphFuseWarning, match=r"0 of 2 .* V 0\.6"):
        clone(step).fit(X, make(site, strong), strong)
    single = np.r_[np.zeros(40, int), np.arange(40) % 2]
    with pytest.warns(gf.GraphFuseWarning, match="1 of 2"):
        clone(step).fit(X, make(site, single), single)


# ---- policies


def test_an_unseen_site_is_an_error_that_names_the_policies(step, four):
    cohort, codes, X = four
    seen = (cohort.sites != "z").to_numpy()
    step.fit(X[seen], cohort[seen], codes[seen])
    with pytest.raises(UnseenSite, match=r"on_unseen='reference'.*'features'"):
        step.transform(X, cohort)


def test_reference_leaves_an_unseen_site_as_it_is(step, four):
    cohort, codes, X = four
    seen = (cohort.sites != "z").to_numpy()
    step.set_params(on_unseen="reference").fit(X[seen], cohort[seen], codes[seen])
    Z = step.transform(X, cohort)
    assert np.array_equal(Z[~seen], X[~seen])
    assert np.array_equal(Z[seen], step.transform(X[seen], cohort[seen]))
    assert step.scope == "training"


def test_features_bring_an_unseen_site_to_the_others_without_its_labels(step, four):
    cohort, codes, X = four
    seen = (cohort.sites != "z").to_numpy()
    step.set_params(on_unseen="features", covariates=("age",)).fit(X[seen], cohort[seen], codes[seen])
    Z, plain = (x - 0.3 * cohort.phenotypes[["age"]].to_numpy() for x in (step.transform(X, cohort), X))
    gap, before = (np.abs(x[~seen].mean(0) - x[seen].mean(0)).mean() for x in (Z, plain))
    assert gap < 0.3 < 1 < before
    assert Z[~seen].std() == pytest.approx(Z[seen].std(), rel=0.2)
    assert plain[~seen].std() > 1.3 * plain[seen].std()
    assert step.scope == "features"
    alone = step.transform(X[~seen], cohort[~seen])
    np.testing.assert_allclose(alone, step.transform(X, cohort)[~seen])  # other sites do not matter
    few = np.flatnonzero(~seen)[:9]
    with pytest.raises(SiteTooSmall, match=r"at least 10.*one has 9"):
        step.transform(X[few], cohort[few])


def test_small_sites_are_pooled_refused_or_left_alone(make):
    rng = np.random.default_rng(0)
    site = np.repeat(["big", "large", "p", "q"], [20, 20, 1, 1])
    X = rng.standard_normal((42, 6)) + 5 * (np.arange(42) >= 40)[:, None]
    pooled = ComBat().fit(X, make(site))
    assert pooled.levels_ == {"big": 0, "large": 1, "p": 2, "q": 2}
    assert np.abs(pooled.transform(X, make(site))[40:].mean() - X[:40].mean()) < 1
    with pytest.raises(SiteTooSmall, match="2 of 4"):
        ComBat(small_sites="error").fit(X, make(site))
    single = ComBat().fit(X[:41], make(site[:41]))
    assert single.levels_ == {"big": 0, "large": 1, "p": -1}
    assert np.array_equal(single.transform(X, make([*site[:41], "p"]))[40:], X[40:])  # no site effect
    without = ComBat().fit(X[:40], make(site)[:40])
    assert all(np.array_equal(single.parameters_[k], without.parameters_[k]) for k in single.parameters_)


def test_one_site_alone_changes_nothing(step, make):
    X = np.random.default_rng(0).standard_normal((20, 4))
    np.testing.assert_allclose(step.fit(X, make(["w"] * 20)).transform(X, make(["w"] * 20)), X, atol=1e-12)


def test_doors_are_checked(step, four):
    cohort, codes, X = four
    with pytest.raises(NotFitted):
        step.transform(X, cohort)
    with pytest.raises(ShapeMismatch):
        step.fit(X[:5], cohort, codes)
    with pytest.raises(ShapeMismatch):
        step.fit(X, cohort, codes).transform(X[:, :3], cohort)
    holed = X.copy()
    holed[0, 0] = np.nan
    with pytest.raises(NonFinite):
        step.fit(holed, cohort, codes)
    for options in ({"on_unseen": "guess"}, {"small_sites": "drop"}, {"min_site": 1}):
        with pytest.raises(InvalidOption):
            clone(step).set_params(**options).fit(X, cohort, codes)


def test_no_message_holds_the_name_of_a_site_or_a_subject(make):
    site = np.repeat(["canary-a", "canary-b"], 10)
    X, cohort = np.random.default_rng(0).standard_normal((20, 3)), make(site)
    step = LocationScale().fit(X, cohort)
    with pytest.raises(UnseenSite) as error:
        step.transform(X, make(["canary-c"] * 20))
    assert "canary" not in str(error.value)


@settings(max_examples=150, deadline=None)
@given(
    site=st.lists(st.sampled_from("abcd"), min_size=2, max_size=14),
    columns=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    rounding=st.integers(0, 2),
    kind=st.sampled_from(STEPS),
    covariate=st.booleans(),
)
def test_no_nan_leaves_for_tiny_sites_few_columns_and_constant_ones(site, columns, seed, rounding, kind, covariate):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((len(site), columns)).round(rounding)
    X[:, rng.integers(columns)] = rng.integers(-1, 2)
    table = pd.DataFrame(
        {"site": site, "age": rng.integers(0, 3, len(site)).astype(float)}, index=map(str, range(len(site)))
    )
    table.loc[table.index[0], "age"] = np.nan
    cohort = gf.Cohort(table, site="site")
    step = clone(kind).set_params(on_unseen="reference", covariates=("age",) if covariate else ())
    half = slice(0, max(2, len(site) // 2))
    try:
        step.fit(X[half], cohort[half])
    except InvalidOption:
        return  # age may be a function of site in so few people
    Z = step.transform(X, cohort)
    assert np.isfinite(Z).all()
    constant = np.ptp(X[half], axis=0) == 0
    assert np.array_equal(Z[:, constant], X[:, constant])
