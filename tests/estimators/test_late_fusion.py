"""One answer of several models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

import graphfuse as gf
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.estimators.late_fusion import LateFusion
from graphfuse.estimators.panel import out_of_fold
from graphfuse.fusion.output import OUTPUTS, area_under_curve, softmax_weights


def models() -> dict:
    return {"fmri": gf.Ridge(("fmri",)), "smri": gf.Ridge(("smri",))}


def unequal(n=120, seed=0) -> gf.Cohort:
    """A strong signal, a weak one that a fifth lacks, and noise."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    signals = {}
    for name, effect in (("strong", 1.5), ("weak", 0.5), ("noise", 0.0)):
        rows = [*(rng.normal(size=(n, 4)) + effect * y[:, None])]
        rows = [None if name == "weak" and i % 5 == 0 else row for i, row in enumerate(rows)]
        signals[name] = gf.Signal.pack("vector", rows)
    table = pd.DataFrame({"dx": np.array(["well", "sick"])[y]}, [f"s{seed}-{i:03d}" for i in range(n)])
    return gf.Cohort(table, signals, target="dx", classes=("well", "sick"))


def test_the_mean_is_that_of_models_fitted_by_hand(train, test):
    fused = LateFusion(models()).fit(train).predict_proba(test)
    has = train.has("smri")
    fmri = gf.Ridge(("fmri",)).fit(train).predict_proba(test)
    smri = gf.Ridge(("smri",)).fit(train[has]).predict_proba(test)
    both = test.has("smri")
    assert not has.all()
    assert not both.all()
    np.testing.assert_allclose(fused[both], (fmri + smri)[both] / 2, atol=1e-6)
    np.testing.assert_allclose(fused[~both], fmri[~both], atol=1e-6)


@pytest.mark.parametrize("rule", sorted(OUTPUTS))
def test_every_rule_runs_and_gives_the_same_bits_again(rule, train, test):
    first = LateFusion(models(), rule=rule, folds=3).fit(train)
    p = first.predict_proba(test)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert np.array_equal(p, clone(first).fit(train).predict_proba(test))
    alone = np.concatenate([first.predict_proba(test[[i]]) for i in range(4)])
    np.testing.assert_allclose(alone, p[:4], atol=1e-6)


def test_who_has_nothing_gets_equal_shares(train, test):
    nobody = {
        name: gf.Signal.pack(s.kind, [None, *(s[i] for i in range(1, len(s)))], s.atlas, s.columns, s.t_r)
        for name, s in test.signals.items()
    }
    fitted = LateFusion(models(), rule="bayes").fit(train)
    p = fitted.predict_proba(replace(test, signals=nobody))
    assert p[0].tolist() == [0.5, 0.5]
    np.testing.assert_allclose(p[1:], fitted.predict_proba(test)[1:], atol=1e-6)
    assert fitted.predict_proba(replace(test, signals=nobody)[[0]]).tolist() == [[0.5, 0.5]]


def test_weights_are_learned_on_out_of_fold_opinions():
    cohort = unequal()
    fitted = LateFusion(rule="weighted").fit(cohort)
    order = np.argsort(cohort.subjects)
    p, present = out_of_fold(fitted.models_, cohort[order].blind(), cohort.y[order], np.array([0, 1]), 5, 0)
    p, present, y = torch.tensor(p), torch.tensor(present), torch.tensor(cohort.y[order])
    np.testing.assert_array_equal(fitted.options_["weights"], softmax_weights(p, present, y).numpy())
    areas = LateFusion(rule="auc").fit(cohort).options_["area"]
    np.testing.assert_array_equal(areas, area_under_curve(p, present, y).numpy())
    wrong = LateFusion(rule="dempster-shafer").fit(cohort).options_["uncertainty"]
    seen = present[:, 2].numpy()
    assert wrong[2] == pytest.approx((p[:, 2].argmax(1) != y).numpy()[seen].mean())
    error = LateFusion(rule="precision").fit(cohort).options_["variance"]
    assert error[2] == pytest.approx(((p[:, 2, 1] - y) ** 2).numpy()[seen].mean())


def test_what_is_learned_favours_the_strong_modality():
    cohort = unequal()
    noise, strong, weak = LateFusion(rule="weighted").fit(cohort).options_["weights"]
    assert strong > 0.8  # beside it neither of the others is of use
    assert max(weak, noise) < 0.1
    noise, strong, weak = LateFusion(rule="precision").fit(cohort).options_["variance"]
    assert strong < weak < noise


def test_given_options_are_used_and_not_learned(train, test):
    given = LateFusion(models(), rule="weighted", options={"weights": {"smri": 0.0, "fmri": 1.0}}).fit(train)
    assert given.options_ == {"weights": [1.0, 0.0]}
    np.testing.assert_allclose(given.predict_proba(test), given.models_["fmri"].predict_proba(test), atol=1e-6)
    with pytest.raises(InvalidOption, match="one entry a model"):
        LateFusion(models(), rule="weighted", options={"weights": {"fmri": 1.0}}).fit(train)


def test_the_prior_of_bayes_is_the_class_shares():
    cohort = unequal()[np.flatnonzero((np.arange(120) < 60) | (unequal().y == 1))]
    fitted = LateFusion(rule="bayes").fit(cohort)
    np.testing.assert_allclose(fitted.options_["prior"], np.bincount(cohort.y) / len(cohort))


def test_a_callable_rule_gets_tensors_and_options(train, test):
    def first(p, present, floor):
        assert present.dtype == torch.bool
        return p[:, 0].clamp(min=floor)

    fitted = LateFusion(models(), rule=first, options={"floor": 0.5}).fit(train)
    expected = np.clip(fitted.models_["fmri"].predict_proba(test), 0.5, None)
    np.testing.assert_allclose(fitted.predict_proba(test), expected, atol=1e-6)


def test_opinions_are_those_of_the_models(train, test):
    fitted = LateFusion(models()).fit(train)
    p, present = fitted.opinions(test)
    np.testing.assert_allclose(p[:, 0], fitted.models_["fmri"].predict_proba(test), atol=1e-6)
    assert np.array_equal(present[:, 1], test.has("smri"))


def test_networks_and_linear_models_sit_on_one_panel(train, test):
    net = gf.FusionClassifier({"smri": gf.MorphometricGraph()}, epochs=2, hidden=(4,), width=4, members=1)
    p = LateFusion({"fmri": gf.Ridge(("fmri",)), "smri": net}, rule="bayes").fit(train).predict_proba(test)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)


def test_an_unknown_rule_and_a_cohort_without_the_modality_are_refused(train, test):
    with pytest.raises(InvalidOption, match="Did you mean 'mean'"):
        LateFusion(models(), rule="means").fit(train)
    fitted = LateFusion(models()).fit(train)
    assert set(fitted.layout_) == {"fmri", "smri"}
    with pytest.raises(MissingModality, match="smri"):
        fitted.predict_proba(replace(test, signals={"fmri": test.signals["fmri"]}))


def test_three_classes_and_names(three):
    names = three.phenotypes["diagnosis"].to_numpy(object)
    fitted = LateFusion(rule="weighted", folds=2).fit(three[:45].blind(), names[:45])
    assert fitted.predict_proba(three[45:]).shape == (15, 3)
    assert set(fitted.predict(three[45:])) <= {"a", "b", "c"}
