"""Models that answer for those whom they can read, and out of fold for the training subjects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import graphfuse as gf
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.baselines import Majority
from graphfuse.estimators.panel import ask_panel, default_models, fit_panel, out_of_fold, readable, scope_of_panel

FITS = []  # ids of the people of every fit of a Witness


class Witness(CohortClassifier):
    """Answers the class shares; leaves a note of whom it was fitted on, and refuses to answer for them."""

    uses_y, scope = True, "training"

    def __init__(self, signals=("a",)):
        self.signals = signals

    def _fit(self, cohort, codes):
        self.seen_ = set(cohort.subjects)
        self.shares_ = np.bincount(codes) / len(codes)
        FITS.append(self.seen_)

    def _modalities(self, cohort):
        return self.signals

    def _predict_proba(self, cohort):
        assert not self.seen_ & set(cohort.subjects)
        return np.tile(self.shares_, (len(cohort), 1))


def people(n=40, lacks=()) -> gf.Cohort:
    """Pairs of a family with signals a and b; those at `lacks` have no b."""
    rng = np.random.default_rng(0)
    index = [f"s{i:02d}" for i in range(n)]
    table = pd.DataFrame({"dx": np.where(np.arange(n) // 2 % 2, "sick", "well"), "family": np.arange(n) // 2}, index)
    a, b = rng.normal(size=(2, n, 3))
    b = [None if i in lacks else row for i, row in enumerate(b)]
    signals = {"a": gf.Signal.pack("vector", list(a)), "b": gf.Signal.pack("vector", b)}
    return gf.Cohort(table, signals, target="dx", classes=("well", "sick"), group="family")


def test_each_model_is_fitted_on_those_whom_it_can_read():
    cohort = people(lacks=(0, 3, 7))
    FITS.clear()
    fitted = fit_panel({"second": Witness(("b",)), "first": Witness(("a", "b"))}, cohort, cohort.y)
    assert list(fitted) == ["first", "second"]
    assert fitted["first"].seen_ == set(cohort.subjects)
    assert fitted["second"].seen_ == set(cohort.subjects) - {"s00", "s03", "s07"}
    assert len(FITS) == 3  # the second shows what it reads, then learns without those who lack it


def test_readers_of_no_signal_and_searches_are_understood():
    cohort = people(lacks=(0, 3))
    assert readable(Majority().fit(cohort), cohort).all()
    search = gf.choose(gf.Ridge(("b",)), {"alphas": [(1.0,), (10.0,)]}, folds=2).fit(cohort, cohort.y)
    assert np.array_equal(readable(search, cohort), cohort.has("b"))


def test_who_lacks_it_gets_no_answer_of_a_model():
    cohort = people(lacks=(0, 3))
    fitted = fit_panel({"a": gf.Ridge(("a",)), "b": gf.Ridge(("b",))}, cohort, cohort.y)
    p, present = ask_panel(fitted, cohort, np.array([0, 1]))
    assert np.array_equal(present, np.stack([np.ones(40, bool), cohort.has("b")], 1))
    assert (p[[0, 3], 1] == 0.5).all()
    np.testing.assert_array_equal(p[:, 0], fitted["a"].predict_proba(cohort))
    np.testing.assert_allclose(p[present[:, 1], 1], fitted["b"].predict_proba(cohort)[present[:, 1]], rtol=1e-6)


def test_out_of_fold_nobody_is_judged_by_who_saw_them_or_their_family():
    cohort = people(lacks=(5,))
    fitted = fit_panel({"a": Witness(), "b": Witness(("b",))}, cohort, cohort.y)
    FITS.clear()
    p, present = out_of_fold(fitted, cohort.blind(), cohort.y, np.array([0, 1]), folds=4, seed=0)
    assert len(FITS) == 8
    assert not present[5, 1]
    assert present.sum() == 79
    np.testing.assert_allclose(p.sum(2), 1)
    family = cohort.phenotypes["family"]
    for seen in FITS:  # families are whole: on one side, but for who lacks b
        assert not set(family[sorted(seen)]) & set(family[[s for s in cohort.subjects if s not in seen and s != "s05"]])


def test_a_model_left_with_one_class_has_no_say_in_that_fold():
    cohort = people(lacks=[i for i in range(40) if i // 2 % 2 and i != 2])  # one sick person has b
    fitted = {"b": Witness(("b",)).fit(cohort)}
    _, present = out_of_fold(fitted, cohort.blind(), cohort.y, np.array([0, 1]), folds=4, seed=0)
    assert not present[2, 0]
    assert 0 < present.sum() < 21


def test_a_modality_that_a_class_lacks_is_refused():
    cohort = people(lacks=[i for i in range(40) if i // 2 % 2])
    with pytest.raises(MissingModality, match="its absence would be the diagnosis"):
        fit_panel({"b": gf.Ridge(("b",))}, cohort, cohort.y)


def test_the_default_is_a_ridge_a_modality():
    cohort = people()
    assert {name: model.signals for name, model in default_models(cohort).items()} == {"a": ("a",), "b": ("b",)}
    with pytest.raises(InvalidOption, match="name models"):
        fit_panel(None, replace(cohort, signals={}), cohort.y)


def test_the_scope_is_the_widest():
    wide = gf.PopulationClassifier(transductive=True)
    assert scope_of_panel(None) == "training"
    assert scope_of_panel({"a": gf.Ridge(), "b": Witness()}) == "training"
    assert scope_of_panel({"a": gf.Ridge(), "b": wide}) == "features"
    assert scope_of_panel({"a": gf.choose(wide, {"hidden": [(4,), (8,)]})}) == "features"
    assert scope_of_panel({"a": gf.ConformalClassifier(gf.choose(wide, {"hidden": [(4,), (8,)]}))}) == "features"
