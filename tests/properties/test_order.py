"""The order of people: it never matters, neither of training subjects nor of new ones.

`CohortClassifier.fit` sorts by id before anything is dealt out by row: inner folds, batches, dropout.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cases import Draw

import graphfuse as gf

NET = {"epochs": 3, "members": 2}
MODELS = [
    gf.Majority(),
    gf.Confounds(("age",)),
    gf.Ridge(),
    gf.MeanOfRidges(),
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


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("model", MODELS, ids=name)
def test_training_subjects_in_another_order_give_the_same_probabilities(model, seed):
    train, new = people(seed, 40), people(seed + 100, 12)
    order = np.random.default_rng(seed).permutation(len(train))
    p = trained(model, train).predict_proba(new)
    np.testing.assert_allclose(trained(model, train[order]).predict_proba(new), p, atol=1e-6, rtol=0)


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_new_subjects_in_another_order_get_their_own_probabilities(model):
    new = people(100, 12)
    order = np.random.default_rng(0).permutation(len(new))
    fitted = trained(model, people(0, 40))
    p = fitted.predict_proba(new)
    np.testing.assert_allclose(fitted.predict_proba(new[order]), p[order], atol=1e-6, rtol=0)


def test_people_without_labels_in_another_order_give_the_same_transductive_model():
    train, new = people(0, 40), people(100, 12)
    new = gf.Cohort(new.phenotypes.set_axis([f"n{i}" for i in range(12)]), new.signals, "dx", ("x", "y"))
    order = np.random.default_rng(0).permutation(12)
    fits = [
        gf.PopulationClassifier(hidden=(4,), **NET).fit(train.blind(), train.y, unlabelled=someone.blind())
        for someone in (new, new[order])
    ]
    np.testing.assert_allclose(fits[0].predict_proba(new), fits[1].predict_proba(new), atol=1e-6, rtol=0)
