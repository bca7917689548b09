"""The order of people: of new ones it never matters, of training ones where nothing is dealt at random.

Majority, Confounds, Ridge and MeanOfRidges deal nothing out: the same people in another order give the same model. The
machine of a LinearSVM does not depend on the order beyond the tolerance of its solver (1e-3), but the slope of its
probabilities does: its five inner folds are dealt by row. An ensemble of networks depends on it throughout, by its
seeds: they deal out by row who validates, who stands in which batch and what drops out. In the same order every model
repeats itself.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cases import Draw

import graphfuse as gf

NET = {"epochs": 3, "members": 2}
UNDEALT = [gf.Majority(), gf.Confounds(("age",)), gf.Ridge(), gf.MeanOfRidges()]
DEALT = [
    gf.LinearSVM(),
    gf.MLP(hidden=4, **NET),
    gf.FusionClassifier(hidden=(4,), width=4, **NET),
    gf.PopulationClassifier(hidden=(4,), **NET),
]
KINDS = {"timeseries": (30, 6), "measures": (6, 2)}


def name(model) -> str:
    return type(model).__name__


def people(seed: int, n: int) -> gf.Cohort:
    """People of two classes that differ a little; a fifth lacks the measures."""
    d = Draw("plain", seed)
    y = np.arange(n) % 2
    shift = 0.5 * y[:, None, None]
    signals = {kind: list(d.array(n, *shape) + shift.astype(np.float32)) for kind, shape in KINDS.items()}
    signals["measures"] = [x if i % 5 else None for i, x in enumerate(signals["measures"])]
    table = pd.DataFrame({"dx": np.array(["x", "y"], object)[y], "age": d.array(n)}, index=[f"s{i}" for i in range(n)])
    return gf.Cohort(table, {kind: gf.Signal.pack(kind, x) for kind, x in signals.items()}, "dx", ("x", "y"))


def trained(model, cohort: gf.Cohort):
    return model.fit(cohort.blind(), cohort.y)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("model", UNDEALT, ids=name)
def test_training_subjects_in_another_order_give_the_same_probabilities(model, seed):
    train, new = people(seed, 40), people(seed + 100, 12)
    order = np.random.default_rng(seed).permutation(len(train))
    p = trained(model, train).predict_proba(new)
    np.testing.assert_allclose(trained(model, train[order]).predict_proba(new), p, atol=1e-6, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_the_machine_of_an_svm_is_that_of_any_order_within_the_tolerance_of_its_solver(seed):
    train, new = people(seed, 40), people(seed + 100, 12)
    order = np.random.default_rng(seed).permutation(len(train))
    scores = trained(gf.LinearSVM(), train).decision_function(new)
    np.testing.assert_allclose(trained(gf.LinearSVM(), train[order]).decision_function(new), scores, atol=3e-3)


@pytest.mark.parametrize("model", UNDEALT + DEALT, ids=name)
def test_new_subjects_in_another_order_get_their_own_probabilities(model):
    new = people(100, 12)
    order = np.random.default_rng(0).permutation(len(new))
    fitted = trained(model, people(0, 40))
    p = fitted.predict_proba(new)
    np.testing.assert_allclose(fitted.predict_proba(new[order]), p[order], atol=1e-6, rtol=0)


@pytest.mark.parametrize("model", DEALT, ids=name)
def test_the_same_order_gives_the_same_bits(model):
    train, new = people(0, 40), people(100, 12)
    assert np.array_equal(trained(model, train).predict_proba(new), trained(model, train).predict_proba(new))
