"""A logistic regression learns whom to trust, of opinions about people whom nobody has seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

import graphfuse as gf
from graphfuse.errors import InvalidOption
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.panel import Opinions, ask_panel
from graphfuse.estimators.stacking import Stacking, log_ratios, mean_ratios, with_indicators


class Memoriser(CohortClassifier):
    """The nearest training subject's class, nearly certain: perfect on whom it has seen."""

    uses_y, scope = True, "training"

    def __init__(self, signals=("noise",)):
        self.signals = signals

    def _fit(self, cohort, codes):
        self.vectors_, self.codes_ = cohort.signals[self.signals[0]].stack(), codes

    def _modalities(self, cohort):
        return self.signals

    def _predict_proba(self, cohort):
        x = cohort.signals[self.signals[0]].stack()
        nearest = np.square(x[:, None] - self.vectors_).sum(2).argmin(1)
        return np.where(self.codes_[nearest][:, None] == np.arange(len(self.classes_)), 0.98, 0.02)


def noisy(n: int, seed: int) -> gf.Cohort:
    """A signal that tells most people's class, and noise that tells nothing."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    good, noise = rng.normal(size=(n, 3)) + 1.2 * y[:, None], rng.normal(size=(n, 3))
    table = pd.DataFrame({"dx": np.array(["well", "sick"])[y]}, [f"s{seed}-{i:03d}" for i in range(n)])
    signals = {"good": gf.Signal.pack("vector", list(good)), "noise": gf.Signal.pack("vector", list(noise))}
    return gf.Cohort(table, signals, target="dx", classes=("well", "sick"))


def without(cohort: gf.Cohort, name: str, rows) -> gf.Cohort:
    signal, gone = cohort.signals[name], np.isin(np.arange(len(cohort)), rows)
    return replace(cohort, signals={**cohort.signals, name: replace(signal, length=np.where(gone, 0, signal.length))})


def panel() -> dict:
    return {"good": gf.Ridge(("good",)), "memory": Memoriser()}


def test_in_fold_opinions_fall_for_a_memoriser_and_out_of_fold_ones_do_not():
    train, new = noisy(160, 0), noisy(160, 1)
    fitted = Stacking(panel(), missing="zero").fit(train)
    good, memory = fitted.coef_[:, 1]
    assert abs(memory) < 0.1 * good
    assert fitted.score(new) > 0.75
    fooled = LogisticRegression().fit(log_ratios(ask_panel(fitted.models_, train, fitted.classes_)), train.y)
    assert fooled.coef_[0, 1] > fooled.coef_[0, 0]
    assert fooled.score(log_ratios(ask_panel(fitted.models_, new, fitted.classes_)), new.y) < 0.65


def test_the_models_that_predict_are_fitted_on_everybody():
    train = noisy(60, 0)
    fitted = Stacking(panel(), folds=3).fit(train)
    assert len(fitted.models_["memory"].vectors_) == 60
    np.testing.assert_array_equal(
        fitted.models_["good"].predict_proba(train), gf.Ridge(("good",)).fit(train).predict_proba(train)
    )


def test_log_ratios_are_against_the_first_class_and_zero_for_the_missing():
    p = np.array([[[0.2, 0.8], [0.5, 0.5]], [[0.6, 0.4], [1.0, 0.0]]])
    opinions = Opinions(p, np.array([[True, False], [True, True]]))
    expected = [[np.log(4), 0], [np.log(2 / 3), np.log(1e-6)]]
    np.testing.assert_allclose(log_ratios(opinions), expected)
    centre = mean_ratios(opinions)
    np.testing.assert_allclose(centre, [(np.log(4) + np.log(2 / 3)) / 2, np.log(1e-6)])
    np.testing.assert_allclose(log_ratios(opinions, centre)[0], [np.log(6) / 2, 0])
    np.testing.assert_allclose(log_ratios(opinions, centre).sum(0), 0, atol=1e-12)
    np.testing.assert_allclose(with_indicators(opinions), np.hstack([expected, [[0, 1], [0, 0]]]))


def test_answers_are_the_softmax_of_the_linear_map():
    train, new = noisy(80, 0), noisy(20, 1)
    fitted = Stacking(panel(), missing="indicator").fit(train)
    logits = with_indicators(fitted.opinions(new), fitted.centre_) @ fitted.coef_ + fitted.intercept_
    np.testing.assert_allclose(fitted.decision_function(new), logits)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(new), expected, rtol=1e-10)


def test_an_indicator_learns_who_was_not_scanned_and_zero_does_not():
    train = noisy(120, 0)
    sick = np.flatnonzero(train.y == 1)
    train, new = without(train, "noise", sick[: len(sick) * 3 // 4]), noisy(40, 1)
    models = {"good": gf.Ridge(("good",)), "noise": gf.Ridge(("noise",))}
    gains = {}
    for missing in ("indicator", "zero"):
        fitted = Stacking(models, missing=missing).fit(train)
        p = fitted.predict_proba(new)[:, 1], fitted.predict_proba(without(new, "noise", range(40)))[:, 1]
        gains[missing] = (p[1] - p[0]).mean()
    assert gains["indicator"] > 0.3  # its absence has become the diagnosis
    assert abs(gains["zero"]) < 0.05


def test_who_has_nothing_gets_equal_shares():
    train, new = noisy(60, 0), noisy(10, 1)
    models = {"good": gf.Ridge(("good",)), "noise": gf.Ridge(("noise",))}
    fitted = Stacking(models).fit(without(without(train, "noise", (3, 4)), "good", (3,)))
    p = fitted.predict_proba(without(without(new, "noise", (0,)), "good", (0,)))
    assert p[0].tolist() == [0.5, 0.5]
    np.testing.assert_allclose(p[1:], fitted.predict_proba(new)[1:], atol=1e-6)


def test_the_same_seed_gives_the_same_bits_in_any_order_of_people(train, test):
    first = Stacking(folds=3, random_state=1).fit(train)
    order = np.random.default_rng(0).permutation(len(train))
    again = clone(first).fit(train[order])
    assert np.array_equal(first.predict_proba(test), again.predict_proba(test))
    assert not np.array_equal(first.coef_, clone(first).set_params(random_state=2).fit(train).coef_)


def test_three_classes(three):
    fitted = Stacking(folds=2).fit(three[:45])
    assert fitted.coef_.shape == (2 * 2, 3)  # two models, two log ratios each
    p = fitted.predict_proba(three[45:])
    assert p.shape == (15, 3)
    np.testing.assert_allclose(p.sum(1), 1)


def test_options_out_of_range_are_refused():
    train = noisy(20, 0)
    with pytest.raises(InvalidOption, match="missing must be one of indicator, zero"):
        Stacking(panel(), missing="drop").fit(train)
    with pytest.raises(InvalidOption, match="C must lie"):
        Stacking(panel(), C=0).fit(train)
    with pytest.raises(InvalidOption, match="folds"):
        Stacking(panel(), folds=1).fit(train)
