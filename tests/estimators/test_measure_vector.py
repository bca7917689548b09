from __future__ import annotations

from dataclasses import replace

import numpy as np

import graphfuse as gf
from graphfuse.estimators import features
from graphfuse.estimators.measure_vector import MeasureVector
from graphfuse.estimators.views import apply_views, fit_views
from graphfuse.graph.sparsify import TopDensity
from graphfuse.graph.subject_measures import GraphMeasures

VIEW = GraphMeasures(("strength", "clustering"), sparsify=TopDensity(0.2))


def test_vectors_are_those_of_the_view(train, test):
    vector = MeasureVector(VIEW).fit(train.signals["fmri"])
    wanted = VIEW.fit(train.signals["fmri"]).transform(test.signals["fmri"])
    np.testing.assert_array_equal(vector.transform(test.signals["fmri"]), wanted.x)


def test_the_view_that_is_given_stays_unfitted(train):
    view = GraphMeasures(("degree",))
    MeasureVector(view).fit(train.signals["fmri"])
    assert not hasattr(view, "mean_")


def test_by_default_all_measures_of_all_regions_are_features(train):
    x = MeasureVector().fit_transform(train.signals["fmri"][np.arange(4)])
    assert x.shape == (4, 100 * 11)


def test_entries_of_usable_regions_are_known_and_the_others_zero(cohort):
    signal = cohort.signals["fmri"][np.arange(10)]
    usable = signal.usable.copy()
    usable[0, 7] = False
    signal = replace(signal, usable=usable)
    vector = MeasureVector(VIEW)
    x, known = vector.fit_transform(signal), vector._known(signal)
    assert known.shape == (signal.present.sum(), 200)
    assert np.flatnonzero(~known[0]).tolist() == [14, 15]  # regions first
    assert known[1:].all()
    assert not x[signal.present][~known].any()


def test_systems_take_the_view_and_vector_models_the_features(train, test, monkeypatch):
    blind, codes = train.blind(), train.y
    fitted = fit_views({"fmri": VIEW}, None, blind, codes)
    assert apply_views(fitted, None, test)["fmri"].x.shape == (len(test), 200)
    monkeypatch.setitem(features.FEATURES, "graph-measures", lambda: MeasureVector(VIEW))
    monkeypatch.setitem(features.READS, "graph-measures", VIEW.READS)
    p = gf.Ridge(("fmri",), "graph-measures").fit(blind, train.y).predict_proba(test)
    assert np.unique(p[:, 1]).size > 10
