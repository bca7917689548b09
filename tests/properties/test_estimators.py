"""Classifiers and what builds on them: probabilities that sum to 1 from any numbers, or an error with a name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cases import few, finite_or_refused, many, on

import graphfuse as gf
from graphfuse.estimators.dealing import inner_folds, inner_split

NET = {"epochs": 2, "members": 1}
FUSION = gf.FusionClassifier(hidden=(2,), width=2, **NET)
KINDS = (("vector",), ("measures",), ("timeseries",), ("vector", "measures"), ("timeseries", "measures"))


MODELS = [
    gf.Majority(),
    gf.Confounds(("age",)),
    gf.Ridge(),
    gf.MeanOfRidges(),
    gf.LinearSVM(),
    gf.MLP(hidden=2, **NET),
    FUSION,
    gf.PopulationClassifier(hidden=(2,), components=2, **NET),
]


def cohort(d, kinds: tuple[str, ...]) -> gf.Cohort:
    """Eight people of two classes; anybody may lack a modality."""
    n, shapes = 8, {"vector": (3,), "measures": (3, 2), "timeseries": (6, 3)}
    signals = {}
    for kind in kinds:
        there = d.mask(n, share=d.one(1.0, 0.8))
        signals[kind] = gf.Signal.pack(
            kind, [d.array(*shapes[kind]) if has else None for has in there], columns=("a", "b")
        )
    table = pd.DataFrame({"dx": ["x", "y"] * (n // 2), "age": d.array(n)}, index=[f"s{i}" for i in range(n)])
    return gf.Cohort(table, signals, "dx", ("x", "y"))


def fitted_probabilities(model, d, kinds: tuple[str, ...]) -> np.ndarray:
    train, new = cohort(d, kinds), cohort(d, kinds)
    p = model.fit(train.blind(), train.y).predict_proba(new)
    assert p.shape == (len(new), 2)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
    return p


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@few
def test_probabilities_of_every_classifier(model, d):
    """200 cases: one takes 10 to 30 ms."""
    finite_or_refused(fitted_probabilities, model, d, d.one(*KINDS))


@on(95)
def test_a_choice_of_settings(d):
    """95 cases: one takes 40 ms, and nothing but whole fits and their probabilities is in it."""
    search = gf.choose(gf.Ridge(), {"alphas": [(1.0,), (100.0,)]}, folds=2)
    finite_or_refused(fitted_probabilities, search, d, d.one(*KINDS))


@few
def test_sets_of_classes(d):
    """200 cases: one takes 20 ms."""
    kinds, model = d.one(*KINDS), gf.ConformalClassifier(gf.Ridge(), d.one(0.5, 0.9), 2, d.one(True, False))

    def p_values_and_sets():
        train, new = cohort(d, kinds), cohort(d, kinds)
        model.fit(train.blind(), train.y)
        return model.p_values(new), model.predict_set(new)

    found = finite_or_refused(p_values_and_sets)
    if found is not None:
        p, sets = found
        assert ((p > 0) & (p <= 1)).all(axis=None)
        assert (sets == (p > 1 - model.coverage)).all(axis=None)


@few
def test_integrated_gradients(d):
    """200 cases: one takes 40 ms."""
    kinds = ("measures", "timeseries")
    if finite_or_refused(fitted_probabilities, FUSION, d, kinds) is not None:
        finite_or_refused(gf.integrated_gradients, FUSION, cohort(d, kinds), d.one(1, 3))


@many
def test_splits(d):
    n = d.one(1, 4, 12)
    y, sites = d.rng.integers(0, 2, n), d.rng.choice(["p", "q", None], n)
    table = pd.DataFrame({"dx": np.array(["x", "y"], object)[y], "site": sites}, index=[f"s{i}" for i in range(n)])
    people = gf.Cohort(table, target="dx", classes=("x", "y"), site=d.one(None, "site"))
    folds = finite_or_refused(
        lambda: list(
            gf.Splits(d.one(2, 3, 20), by=d.one("site", None), leave_site_out=d.one(True, False)).split(people)
        )
    )
    for train, test in folds or ():
        assert len(np.intersect1d(train, test)) == 0
        assert len(train) + len(test) == n
    finite_or_refused(inner_split, y, d.one(None, d.rng.integers(0, 3, n)))
    finite_or_refused(inner_folds, y, d.one(None, d.rng.integers(0, 3, n)), d.one(2, 5))


@many
def test_packing_a_signal_masks_what_is_not_finite(d):
    r = d.one(1, 2, 4)
    shape = {"timeseries": (d.one(1, 2, 5), r), "measures": (r, 2), "connectivity": (r, r), "vector": (r,)}
    kind = d.one(*shape)
    arrays = [d.one(None, d.array(*shape[kind], dtype=d.one(np.float32, np.float64))) for _ in range(d.one(1, 3))]
    packed = finite_or_refused(gf.Signal.pack, kind, arrays)
    if packed is not None:
        finite_or_refused(lambda: packed[np.arange(len(packed))].compact())
        packed.fingerprints()


@few
def test_simulated_cohorts(d):
    """200 cases: one takes 10 ms."""
    options = {"auc": d.one(0.5, 0.8, 0.9999), "shared": d.one(0.0, 1.0), "n_sites": d.one(1, 3), "motion": d.one(0, 9)}
    options |= {"site_offset": abs(float(d.array(1)[0])), "n_frames": d.one((2, 2), (10, 20)), "seed": d.seed}
    options |= {"modalities": d.one(("fmri",), ("smri",), ("smri", "fmri")), "atlas_fmri": "desikan-killiany-68"}
    simulation = finite_or_refused(gf.simulate_cohort, d.one(10, 12), **options)
    if simulation is not None:
        assert all(np.isfinite(signal.data).all() for signal in simulation.cohort.signals.values())


@pytest.mark.parametrize(
    "model",
    [gf.Ridge(), gf.LinearSVM(), gf.MeanOfRidges(), gf.PopulationClassifier(members=1)],
    ids=lambda m: type(m).__name__,
)
def test_features_that_are_all_constant_give_everybody_about_the_class_shares(model):
    table = pd.DataFrame({"dx": ["x"] * 30 + ["y"] * 10}, index=[f"s{i}" for i in range(40)])
    people = gf.Cohort(table, {"v": gf.Signal.pack("vector", [np.full(3, 7.0)] * 40)}, "dx", ("x", "y"))
    p = model.fit(people.blind(), people.y).predict_proba(people)
    np.testing.assert_allclose(p, np.tile([0.75, 0.25], (40, 1)), atol=0.05)
    assert np.ptp(p, axis=0).max() < 1e-6
