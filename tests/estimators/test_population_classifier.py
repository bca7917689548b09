from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import graphfuse as gf
from graphfuse.errors import AtlasMismatch, InvalidOption, LabelLeakageError, LeakageError


def small(**options) -> gf.PopulationClassifier:
    return gf.PopulationClassifier(**{"epochs": 4, "hidden": (4,), "components": 8, **options})


def noisy(cohort: gf.Cohort) -> gf.Cohort:
    """The same people with other images."""
    rng = np.random.default_rng(0)
    signals = {
        name: replace(s, data=(1e3 * rng.standard_normal(s.data.shape)).astype(np.float32))
        for name, s in cohort.signals.items()
    }
    return replace(cohort, signals=signals)


def state(model) -> list[torch.Tensor]:
    return [*model.network_.state_dict().values(), model.x_, model.graph_.adjacency().to_dense()]


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(state(a), state(b), strict=True))


def test_in_inductive_mode_predicting_changes_nothing_that_was_fitted(train, test):
    model = small().fit(train)
    before = [part.clone() for part in state(model)]
    first = model.predict_proba(test)
    model.predict_proba(noisy(test))
    assert all(torch.equal(a, b) for a, b in zip(before, state(model), strict=True))
    assert np.array_equal(model.predict_proba(test), first)


def test_the_transductive_door_uses_the_unlabelled_people(train, test):
    inductive = small().fit(train)
    model = small().fit(train, unlabelled=test)
    assert model.unlabelled_ == tuple(test.subjects)
    assert len(model.x_) == len(train) + len(test)
    assert not np.allclose(model.predict_proba(test), inductive.predict_proba(test), atol=1e-5)
    other = small().fit(train, unlabelled=noisy(test))
    assert not torch.equal(other.network_.members[0].head.weight, model.network_.members[0].head.weight)


def test_the_unlabelled_peoples_labels_are_not_read(train, test):
    flipped = replace(test, phenotypes=test.phenotypes.assign(diagnosis=np.array(test.classes, object)[1 - test.y]))
    a, b, c = (small().fit(train, unlabelled=part) for part in (test, flipped, test.blind()))
    assert same(a, b)
    assert same(a, c)


def test_features_are_centred_and_reduced_on_the_training_subjects_alone(train, test):
    a, b = small().fit(train), small().fit(train, unlabelled=noisy(test))
    assert np.array_equal(a.axes_, b.axes_)
    assert torch.equal(a.x_, b.x_[: len(train)])
    assert a.x_.shape == (44, 8)
    assert small(components=1000).fit(train).x_.shape == (44, 43)


def test_inside_the_graph_or_attached_each_person_has_one_prediction(train, test):
    model = small().fit(train, unlabelled=test[:8])
    inside, outside = model.predict_proba(test[:8]), model.predict_proba(test[8:])
    together = model.predict_proba(test)
    np.testing.assert_allclose(together[:8], inside, atol=1e-6)
    np.testing.assert_allclose(together[8:], outside, atol=1e-6)
    adjacency = model.graph_.adjacency()
    with torch.no_grad():
        nodes = model.network_(model.x_, adjacency).softmax(1).numpy()[44:]
    np.testing.assert_allclose(inside, nodes, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(test[[3, 1]]), inside[[3, 1]], atol=1e-6)


def test_who_is_labelled_cannot_be_unlabelled_too(train, cohort):
    with pytest.raises(LeakageError, match="4 ids stand in both"):
        small().fit(train, unlabelled=cohort[40:50])


def test_unlabelled_people_of_another_atlas_are_refused(train, test):
    signal = test.signals["fmri"]
    other = replace(signal, atlas=gf.Atlas("other", signal.atlas.regions.iloc[::-1]))
    with pytest.raises(AtlasMismatch):
        small().fit(train, unlabelled=replace(test, signals={**test.signals, "fmri": other}))


def test_two_people_with_the_same_images(train):
    twin = replace(
        train[:1], phenotypes=train[:1].phenotypes.set_axis(["twin"], axis=0)
    )  # the same images under another id
    p = small().fit(train).predict_proba(twin)
    assert np.isfinite(p).all()


def test_the_default_graph_joins_by_site_and_by_confounds_that_are_text(train):
    model = small().fit(train)
    assert model.graph_.same == ("site", "sex")
    assert not model.graph_.within
    own = small(graph=gf.PopulationGraph(within={"age": 3.0}, neighbours=5)).fit(train)
    assert own.graph_.within == {"age": 3.0}
    assert not hasattr(own.graph, "units_")


def test_the_graph_matters(train, test):
    a = small().fit(train).predict_proba(test)
    b = small(graph=gf.PopulationGraph(same=("sex",), similarity=False, neighbours=3)).fit(train).predict_proba(test)
    assert not np.allclose(a, b, atol=1e-4)


def test_a_label_as_phenotype_is_not_there(train):
    for options in ({}, {"unlabelled": train[[0]]}):
        with pytest.raises(LabelLeakageError, match="diagnosis"):
            small(graph=gf.PopulationGraph(same=("diagnosis",))).fit(train[1:], **options)
    with pytest.raises(LabelLeakageError, match="diagnosis"):
        small(graph=gf.PopulationGraph(within={"diagnosis": 1.0})).fit(train)
    with pytest.raises(LabelLeakageError, match="age"):
        small(graph=gf.PopulationGraph(within={"age": 1.0})).fit(train.blind(drop=["age"]), train.y)
    with pytest.raises(InvalidOption, match="scanner"):
        small(graph=gf.PopulationGraph(same=("scanner",))).fit(train)


def test_too_few_components_are_refused(train):
    with pytest.raises(InvalidOption, match="components"):
        small(components=1).fit(train)


def test_it_declares_what_it_reads():
    assert (small().scope, small(transductive=True).scope) == ("training", "features")
    assert small().uses_y


def test_training_by_sampled_neighbourhoods_is_reproducible(train, test):
    fitted = [small(batch_size=16, fanout=3, random_state=1).fit(train) for _ in range(2)]
    first, second = (model.predict_proba(test) for model in fitted)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, small(batch_size=16, fanout=3, random_state=2).fit(train).predict_proba(test))


def test_training_by_sampled_neighbourhoods_learns(train):
    model = small(batch_size=16, fanout=3, epochs=80, patience=80, members=1).fit(train)
    assert model.score(train, train.y) > 0.8


def test_training_by_neighbourhoods_leaves_the_random_state_of_torch_alone(train):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    small(batch_size=16).fit(train)
    assert torch.equal(before, torch.get_rng_state())


def test_who_lacks_a_modality_is_imputed_from_training_people_alone(cohort):
    people = cohort.without("smri", np.arange(len(cohort)) % 2 == 0)
    train, test = people[:44], people[44:]
    model = gf.PopulationClassifier(epochs=3, hidden=(4,), components=8, impute="nearest").fit(train)
    p = model.predict_proba(test)
    np.testing.assert_allclose(model.predict_proba(test[[0]])[0], p[0], atol=1e-5)
    plain = gf.PopulationClassifier(epochs=3, hidden=(4,), components=8).fit(train).predict_proba(test)
    assert np.abs(p - plain)[~test.has("smri")].max() > 1e-4
