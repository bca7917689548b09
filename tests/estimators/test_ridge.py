from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge as PlainRidge
from sklearn.metrics import roc_auc_score

import graphfuse as gf
from graphfuse.estimators.ridge import default_ridges


def vectors(n=24, p=15, classes=2, seed=0) -> gf.Cohort:
    """People with a vector each; class c is shifted along entry c."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    names = np.array(list("abc")[:classes], object)
    codes = np.arange(n) % classes
    x = rng.standard_normal((n, p)) + 1.5 * np.eye(classes, p)[codes]
    table = pd.DataFrame({"dx": names[codes]}, index=[f"s{i:03d}" for i in range(n)])
    return gf.Cohort(table, {"v": gf.Signal.pack("vector", list(x))}, "dx", tuple(names))


def left_out(X: np.ndarray, Y: np.ndarray, alpha: float) -> np.ndarray:
    """Score of each subject by a ridge that was refitted without it."""
    scores = np.empty(Y.shape)
    for i in range(len(X)):
        others = np.arange(len(X)) != i
        scores[i] = PlainRidge(alpha).fit(X[others], Y[others]).predict(X[[i]])[0]
    return scores


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("shape", [(24, 15), (24, 60)])
def test_alpha_and_left_out_scores_are_those_of_explicit_refits(shape, classes):
    cohort = vectors(*shape, classes)
    ridge = gf.Ridge().fit(cohort)
    X = ridge.vector_.transform(cohort).astype(float)
    Y = np.where(cohort.y[:, None] == np.arange(classes), 1.0, -1.0)
    penalties = ridge._penalties(X)
    assert penalties[0] == pytest.approx(1e-5 * np.square(X).sum(1).mean())
    errors = [np.square(left_out(X, Y, alpha) - Y).mean() for alpha in penalties]
    assert ridge.alpha_ == pytest.approx(penalties[int(np.argmin(errors))])
    assert 0 < int(np.argmin(errors)) < len(penalties) - 1  # a choice, not an end
    np.testing.assert_allclose(ridge.left_out_scores_, left_out(X, Y, ridge.alpha_), atol=1e-6)
    plain = PlainRidge(ridge.alpha_).fit(X, Y)
    np.testing.assert_allclose(ridge.decision_function(cohort), plain.predict(X), atol=1e-5)


def test_a_subject_without_the_modality_gets_the_score_of_the_training_mean(train, test):
    ridge = gf.Ridge(("smri",)).fit(train)
    lacks = np.flatnonzero(~test.has("smri"))
    assert len(lacks)
    np.testing.assert_allclose(ridge.decision_function(test)[lacks], np.tile(ridge.intercept_, (len(lacks), 1)))
    X = ridge.vector_.transform(train)[train.has("smri")]
    np.testing.assert_allclose(X.mean(0), 0, atol=1e-5)


def test_the_order_of_training_does_not_matter(train, test):
    order = np.random.default_rng(0).permutation(len(train))
    a, b = (gf.Ridge().fit(part).predict_proba(test) for part in (train, train[order]))
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_mean_of_ridges_is_the_mean(train, test):
    mean = gf.MeanOfRidges().fit(train)
    assert list(mean.ridges_) == ["ridge-correlation-fmri", "ridge-tangent-fmri", "ridge-smri"]
    singles = [ridge.fit(train).decision_function(test) for ridge in default_ridges(train).values()]
    np.testing.assert_allclose(mean.decision_function(test), np.mean(singles, axis=0), atol=1e-8)
    assert np.array_equal(mean.predict(test), mean.decision_function(test).argmax(1))


def test_probabilities_keep_the_class_of_the_largest_score(train, test):
    ridge = gf.Ridge().fit(train)
    assert np.array_equal(ridge.predict(test), ridge.decision_function(test).argmax(1))


def test_noise_is_scored_as_noise_and_signal_as_signal():
    """The mean AUC of ten null cohorts lies at one half, on neither side; a planted effect is found."""
    scores = []
    for seed in range(10):
        cohort = gf.simulate_cohort(
            100, null=True, modalities=("smri",), missing={}, n_frames=(60, 80), site_offset=0.3, seed=seed
        ).cohort
        p = gf.Ridge().fit(cohort[:60]).predict_proba(cohort[60:])
        scores.append(roc_auc_score(cohort[60:].y, p[:, 1]))
    assert abs(np.mean(scores) - 0.5) < 0.075  # standard error .03
    cohort = gf.simulate_cohort(100, auc=0.95, modalities=("smri",), missing={}, site_offset=0.3, seed=1).cohort
    p = gf.Ridge().fit(cohort[:60]).predict_proba(cohort[60:])
    assert roc_auc_score(cohort[60:].y, p[:, 1]) > 0.6


def test_who_lacks_a_modality_is_imputed_from_training_people_alone(cohort):
    people = cohort.without("smri", np.arange(len(cohort)) % 2 == 0)
    train, test = people[:44], people[44:]
    model = gf.Ridge(impute="ridge").fit(train)
    p = model.predict_proba(test)
    np.testing.assert_allclose(model.predict_proba(test[[0]])[0], p[0], atol=1e-5)
    plain = gf.Ridge().fit(train).predict_proba(test)
    assert np.abs(p - plain)[~test.has("smri")].max() > 1e-4
