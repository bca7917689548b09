from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

import graphfuse as gf
from graphfuse.errors import InvalidOption
from graphfuse.estimators.mkl import multiple_kernel as module
from graphfuse.estimators.mkl.machines import WEIGHTS
from graphfuse.estimators.mkl.multiple_kernel import MultipleKernel


def vectors(n=160, seed=0, crossed=False) -> gf.Cohort:
    """A modality that carries the class and one of noise that a fifth lacks; or two that carry it only together."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    sign = rng.choice([-1.0, 1.0], n)
    a, b = (2 * sign, 2 * sign * (2 * y - 1)) if crossed else (1.2 * y, 0.0 * y)
    rows = {"a": rng.normal(size=(n, 4)) + a[:, None], "b": rng.normal(size=(n, 4)) + b[:, None]}
    signals = {"a": gf.Signal.pack("vector", list(rows["a"]))}
    signals["b"] = gf.Signal.pack("vector", [None if i % 5 == 0 else row for i, row in enumerate(rows["b"])])
    table = pd.DataFrame({"dx": np.array(["well", "sick"])[y]}, [f"s{i:03d}" for i in range(n)])
    return gf.Cohort(table, signals, target="dx", classes=("well", "sick"))


def auc(model, cohort) -> float:
    """On people whom it has not seen."""
    fitted = model.fit(cohort[:100])
    return roc_auc_score(cohort.y[100:], fitted.predict_proba(cohort[100:])[:, 1])


def test_one_linear_kernel_of_common_scale_is_the_linear_machine(train, test):
    one = MultipleKernel(("fmri",), normalise="variance").fit(train)
    plain = gf.LinearSVM(("fmri",)).fit(train)
    np.testing.assert_allclose(one.decision_function(test), plain.decision_function(test), atol=2e-3)
    np.testing.assert_allclose(one.predict_proba(test), plain.predict_proba(test), atol=5e-3)


@pytest.mark.parametrize("combination", sorted(WEIGHTS))
def test_every_combination_gives_probabilities_and_the_same_bits_again(combination, train, test):
    model = MultipleKernel(kernel={"fmri": ("linear", "rbf")}, combination=combination).fit(train)
    p = model.predict_proba(test)
    np.testing.assert_allclose(p.sum(1), 1)
    assert np.array_equal(p, clone(model).fit(train).predict_proba(test))
    np.testing.assert_allclose(model.weights_.sum(), 1)
    assert (model.weights_ >= 0).all(axis=None)
    assert list(model.weights_.index) == [("fmri", "linear"), ("fmri", "rbf"), ("smri", "linear")]
    assert list(model.weights_.columns) == list(model.classes_)


@pytest.mark.parametrize("combination", sorted(set(WEIGHTS) - {"average"}))
def test_the_modality_that_carries_the_class_weighs_more(combination):
    model = MultipleKernel(combination=combination).fit(vectors())
    assert model.weights_.loc[("a", "linear")].min() > 0.7


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_new_people_have_no_influence_on_each_other(kernel, train, test):
    model = MultipleKernel(kernel=kernel, combination="cka", terms="pairs").fit(train)
    together = model.decision_function(test)
    alone = np.concatenate([model.decision_function(test[[i]]) for i in range(len(test))])
    np.testing.assert_allclose(alone, together, atol=1e-6)


def hidden(cohort: gf.Cohort, value: float) -> gf.Cohort:
    """The cohort with other numbers where the memory of `b` belongs to nobody."""
    signal = cohort.signals["b"]
    data = np.concatenate([np.full((3, 4), value, np.float32), signal.data])
    start = np.where(signal.present, signal.start + 3, 0)  # people who lack it point at these numbers
    return replace(cohort, signals={**cohort.signals, "b": replace(signal, data=data, start=start)})


def test_the_values_of_a_missing_modality_change_no_bit():
    cohort = vectors()
    for model in (MultipleKernel(), MultipleKernel(kernel="rbf", combination="simple", terms="pairs")):
        first, second = (clone(model).fit(hidden(cohort[:100], value)) for value in (0.0, 1e6))
        assert np.array_equal(first.eta_, second.eta_)
        tests = [hidden(cohort[100:], value) for value in (0.0, 1e6)]
        assert np.array_equal(first.predict_proba(tests[0]), second.predict_proba(tests[1]))


def test_who_has_one_modality_is_compared_by_it_alone():
    """Of who lacks the modality of noise, the answer is that of the other modality's kernel, repaired the same way."""
    cohort = vectors()
    assert auc(MultipleKernel(), cohort) > 0.8
    fitted = MultipleKernel().fit(cohort[:100])
    lacks = cohort[100:][~cohort[100:].has("b")]
    rows = fitted.bank_.kernels_[0].transform(lacks).rows
    scores = rows @ fitted.duals_[1] + fitted.intercept_[1]
    np.testing.assert_allclose(fitted.decision_function(lacks)[:, 1], scores, atol=1e-12)


def test_who_has_nothing_gets_the_intercept(train, test):
    nobody = {name: gf.Signal.pack(s.kind, [None] * len(test), s.atlas, s.columns) for name, s in test.signals.items()}
    model = MultipleKernel().fit(train)
    scores = model.decision_function(replace(test, signals=nobody))
    np.testing.assert_array_equal(scores, np.tile(model.intercept_, (len(test), 1)))


def test_only_products_see_what_only_the_combination_carries():
    crossed = vectors(crossed=True)
    assert auc(MultipleKernel(), crossed) < 0.65
    pairs = MultipleKernel(terms="pairs", combination="cka")
    assert auc(pairs, crossed) > 0.75
    assert pairs.weights_.loc[("a x b", "linear x linear")].min() > 0.8


def test_inner_scores_come_from_weights_and_machines_that_have_not_seen_the_label(train):
    model = MultipleKernel(combination="easy").fit(train)
    kernels = model.bank_.fit_transform(train)
    flipped = train.y.copy()
    groups = np.zeros(len(train), int)
    groups[2:] = 1 + np.arange(len(train) - 2) // 2
    flipped[:2] = 1 - flipped[:2]
    folds = module.inner_folds(train.y, groups, 5, 0)
    scores = []
    for codes in (train.y, flipped):
        rest, first = np.flatnonzero(folds != folds[0]), np.arange(2)
        machines = model._machines(module._between(kernels, rest, rest), codes[rest])
        scores.append(module.score(machines, module._between(kernels, first, rest), kernels.has[:, rest]))
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_allclose(model._inner_scores(kernels, train.y, groups)[:2], scores[0], atol=1e-10)


def test_site_effects_are_taken_out_of_the_vectors_of_each_kernel(train, test):
    plain = MultipleKernel().fit(train)
    adjusted = MultipleKernel(adjust=gf.ComBat()).fit(train)
    assert plain.scope == "training"
    assert not np.allclose(plain.decision_function(test), adjusted.decision_function(test))


def test_wrong_options_are_refused(train):
    for wrong in ({"combination": "sum"}, {"C": 0.0}, {"terms": "all"}, {"normalise": "trace"}, {"kernel": "cubic"}):
        with pytest.raises(InvalidOption, match=next(iter(wrong))):
            MultipleKernel(**wrong).fit(train)
