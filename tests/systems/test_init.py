"""What every published system keeps, whatever it is made of; the signature of each is tested in its own file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

import graphfuse as gf
from graphfuse.audit.label_flip import label_flip
from graphfuse.audit.pipeline import Pipeline
from graphfuse.errors import InvalidOption, LeakageError, MissingModality
from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.systems import SYSTEMS, list_systems, make_system, systems_of

QUICK = {"epochs": 3, "patience": 3}


@pytest.fixture(scope="module", params=sorted(SYSTEMS))
def model(request, train):
    return make_system(request.param, train, **QUICK).fit(train)


def test_probabilities_are_probabilities(model, test):
    p = model.predict_proba(test)
    assert p.shape == (len(test), 2)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)


def test_a_prediction_does_not_depend_on_which_other_people_are_new(model, test):
    whole = model.predict_proba(test)
    backwards = model.predict_proba(test[np.arange(len(test))[::-1]])[::-1]
    single = np.concatenate([model.predict_proba(test[[i]]) for i in (0, 5)])
    np.testing.assert_allclose(backwards, whole, atol=2e-5)
    np.testing.assert_allclose(single, whole[[0, 5]], atol=2e-5)


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_network(model, train, test):
    p = model.predict_proba(test)
    assert np.array_equal(clone(model).fit(train).predict_proba(test), p)
    assert not np.array_equal(clone(model).set_params(random_state=1).fit(train).predict_proba(test), p)


def test_labels_of_new_people_are_never_looked_at(model, test):
    assert np.array_equal(model.predict_proba(test.blind()), model.predict_proba(test))


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_the_audit_finds_every_system_blind_to_test_labels(name, cohort):
    splits = list(gf.Splits(folds=4).split(cohort))[:1]
    pipeline = Pipeline(name, make_system(name, cohort, epochs=2))
    found = label_flip(pipeline, cohort, splits, pipeline.outcome(cohort, splits))
    assert found.verdict == "pass", found


def test_flipped_training_labels_flip_the_answer(model, train, test):
    flipped = clone(model).fit(train, 1 - train.y)
    difference = model.predict_proba(test)[:, 1] - flipped.predict_proba(test)[:, 1]
    assert np.abs(difference).max() > 1e-4  # it learns from labels at all


def test_a_saved_system_predicts_the_same_bits(model, test, tmp_path):
    people = isinstance(model, PopulationSystem)
    if people:
        with pytest.raises(LeakageError, match="include_cohort"):
            gf.save_model(model, tmp_path / "m.safetensors")
    path = gf.save_model(model, tmp_path / "m.safetensors", include_cohort=people)
    assert np.array_equal(gf.load_model(path).predict_proba(test), model.predict_proba(test))


def test_values_of_a_missing_modality_change_no_bit(model, test):
    read = list(model._modalities(test))
    for name in read if len(read) > 1 else ():
        signal, data = test.signals[name], test.signals[name].data.copy()
        for i in range(3):
            data[signal.start[i] : signal.start[i] + signal.length[i]] = 7.0
        gone = replace(signal, length=np.where(np.arange(len(test)) < 3, 0, signal.length))
        other = replace(gone, data=data)
        answers = [
            model.predict_proba(replace(test, signals={**test.signals, name: changed})) for changed in (gone, other)
        ]
        assert np.isfinite(answers[0]).all()
        assert np.array_equal(*answers)


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_a_cohort_without_the_kinds_is_told_which_is_missing(name, train):
    system = SYSTEMS[name]
    kinds = {kind for kinds in (*system.needs.values(), system.takes) for kind in kinds}
    bare = replace(train, signals={name: s for name, s in train.signals.items() if s.kind not in kinds})
    with pytest.raises(MissingModality, match=f"{name} needs .*; the cohort has"):
        make_system(name, bare)
    assert name not in systems_of(bare)


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_every_line_of_the_table_is_filled(name):
    line = list_systems().set_index("system").loc[name]
    assert line[["needs", "citation"]].str.len().min() > 5
    assert line["found"] or line["inferred"]


def test_an_unknown_name_is_refused(train):
    with pytest.raises(InvalidOption, match="name"):
        make_system("parisott", train)
