"""What every classifier of cohorts promises; one test runs all kinds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

import graphfuse as gf
from graphfuse.errors import (
    AtlasMismatch,
    ClassTooSmall,
    GraphFuseError,
    LabelLeakageError,
    MissingModality,
    NotFitted,
    ShapeMismatch,
    SingleClassFold,
    UnknownLabel,
)


def test_probabilities_are_probabilities(classifier, test):
    p = classifier.predict_proba(test)
    assert p.shape == (len(test), 2)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert np.array_equal(classifier.predict(test), classifier.classes_[p.argmax(1)])
    assert classifier.score(test) == pytest.approx((p.argmax(1) == test.y).mean())


def test_a_prediction_depends_on_no_other_subject_and_on_no_order(classifier, test):
    together = classifier.predict_proba(test)
    order = np.random.default_rng(0).permutation(len(test))
    np.testing.assert_allclose(classifier.predict_proba(test[order]), together[order], atol=1e-6)
    alone = np.concatenate([classifier.predict_proba(test[[i]]) for i in range(len(test))])
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_predictions_do_not_see_labels(classifier, test):
    assert np.array_equal(classifier.predict_proba(test.blind()), classifier.predict_proba(test))
    table = test.phenotypes.assign(diagnosis=np.array(test.classes, object)[1 - test.y])
    assert np.array_equal(
        classifier.predict_proba(replace(test, phenotypes=table)), classifier.predict_proba(test.blind())
    )


def test_the_same_seed_gives_the_same_bits_and_a_given_y_wins(model, train, test):
    y = train.y
    flipped = replace(
        train, phenotypes=train.phenotypes.assign(diagnosis=np.array(train.classes, object)[1 - y])
    )  # labels of the cohort disagree with those given
    first = clone(model).fit(train.blind(), y).predict_proba(test)
    again = clone(model).fit(flipped, y).predict_proba(test)
    assert np.array_equal(first, again)
    if type(model).__name__ != "Majority":
        assert not np.array_equal(first, clone(model).fit(flipped).predict_proba(test))


def test_classes_may_be_names(model, train, test):
    y = train.phenotypes["diagnosis"].to_numpy(object)
    named = clone(model).fit(train.blind(), y)
    assert set(named.classes_) == {"autism", "control"}
    assert set(named.predict(test)) <= {"autism", "control"}


def test_three_classes(model, three):
    p = clone(model).fit(three[:45]).predict_proba(three[45:])
    assert p.shape == (15, 3)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)


def test_what_cannot_be_fitted_is_refused_by_name(model, train):
    with pytest.raises(LabelLeakageError):
        clone(model).fit(train.blind())
    with pytest.raises(SingleClassFold, match="two classes"):
        clone(model).fit(train, np.zeros(len(train), int))
    with pytest.raises(ShapeMismatch, match="one label a subject"):
        clone(model).fit(train, train.y[:-1])
    with pytest.raises(UnknownLabel, match="missing"):
        clone(model).fit(train, np.where(train.y == 1, np.nan, 0.0))
    with pytest.raises(GraphFuseError, match="Expected a Cohort"):
        clone(model).fit(np.zeros((5, 3)), [0, 1, 0, 1, 0])
    with pytest.raises(GraphFuseError, match="no subjects"):
        clone(model).fit(train[[]], [])


def test_not_fitted(model, test):
    with pytest.raises(NotFitted, match=type(model).__name__):
        model.predict_proba(test)
    if hasattr(model, "decision_function"):
        with pytest.raises(NotFitted):
            model.decision_function(test)


def test_another_atlas_or_a_modality_that_is_not_there_is_refused(classifier, test):
    reads = list(classifier.layout_)
    for name in reads:
        signal = test.signals[name]
        names = signal.atlas.regions.index[::-1]
        other = replace(signal, atlas=gf.Atlas("other", signal.atlas.regions.loc[names]))
        with pytest.raises(AtlasMismatch, match=name):
            classifier.predict_proba(replace(test, signals={**test.signals, name: other}))
        without = {key: value for key, value in test.signals.items() if key != name}
        with pytest.raises(MissingModality, match=name):
            classifier.predict_proba(replace(test, signals=without))


def test_a_modality_that_the_model_does_not_read_may_be_absent(train, test):
    only = replace(test, signals={"fmri": test.signals["fmri"]})
    for model in (gf.Ridge(("fmri",)), gf.LinearSVM(("fmri",)), gf.Majority()):
        fitted = model.fit(train)
        assert np.array_equal(fitted.predict_proba(only), fitted.predict_proba(test))


def lacking(cohort: gf.Cohort, name: str, rows) -> gf.Cohort:
    """The cohort without `name` of the subjects at `rows`."""
    arrays = [None if i in set(rows) else cohort.signals[name][i] for i in range(len(cohort))]
    signal = cohort.signals[name]
    packed = gf.Signal.pack(signal.kind, arrays, signal.atlas, signal.columns)
    return replace(cohort, signals={**cohort.signals, name: packed})


def test_nobody_measured_at_all(classifier, test):
    """A call in which nobody has a modality is as good as any other."""
    some = np.flatnonzero(~test.has("smri"))
    assert len(some)
    p = classifier.predict_proba(test[some])
    np.testing.assert_allclose(p, classifier.predict_proba(test)[some], atol=1e-6)
    gone = lacking(lacking(test, "smri", range(1, len(test))), "fmri", range(1, len(test)))
    p = classifier.predict_proba(gone)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(classifier.predict_proba(gone[1:]), p[1:], atol=1e-6)


def test_a_modality_that_a_whole_class_lacks_is_refused(model, train):
    leaking = lacking(train, "smri", np.flatnonzero(train.y == 1))
    if type(model).__name__ in ("Majority", "Confounds") or getattr(model, "features", None) == "tangent":
        model.fit(leaking)
    else:
        with pytest.raises(MissingModality, match="absence would be the diagnosis"):
            model.fit(leaking)


INNER_SPLITS = (
    "FusionClassifier",
    "HybridFusion",
    "LateFusion",
    "LinearSVM",
    "MLP",
    "MultipleKernel",
    "PopulationClassifier",
    "Stacking",
)


def test_a_class_of_one_is_refused_by_name_where_an_inner_split_is_needed(model, train):
    y = np.zeros(len(train), int)
    y[0] = 1
    if type(model).__name__ in INNER_SPLITS:
        with pytest.raises(ClassTooSmall, match="at least two"):
            model.fit(train.blind(), y)
    else:
        model.fit(train.blind(), y)


def test_repeated_rows_are_refused_by_name(cohort):
    with pytest.raises(gf.GraphFuseError, match="unique"):
        cohort[[0, 0]]
