from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

import graphfuse as gf


def small(**options) -> gf.HierarchicalClassifier:
    views = {"fmri": gf.FunctionalGraph(nodes="strength"), "smri": gf.VectorView(components=8)}
    return gf.HierarchicalClassifier(views, **{"hidden": (4, 4), "width": 4, "epochs": 3, "members": 1, **options})


def test_it_answers_for_people_who_lack_a_modality(train, test):
    p = small().fit(train).predict_proba(test.without("smri", np.arange(3)))
    assert np.isfinite(p).all()


def test_options_reach_the_network_and_a_clone_is_the_same(train, test):
    model = small(bidirectional=False, fusion="low-rank", conv="sage").fit(train)
    network = model.network_.members[0]
    assert not len(network.fusion.back)
    assert type(network.fusion.fusions[0]).__name__ == "LowRankFusion"
    assert np.array_equal(clone(model).fit(train).predict_proba(test), model.predict_proba(test))


def test_a_saved_model_predicts_the_same_bits(train, test, tmp_path):
    model = small().fit(train)
    loaded = gf.load_model(gf.save_model(model, tmp_path / "m.safetensors"))
    assert np.array_equal(loaded.predict_proba(test), model.predict_proba(test))


def test_it_learns_a_planted_effect():
    cohort = gf.simulate_cohort(200, auc=0.97, modalities=("smri",), missing={}, site_offset=0, seed=1).cohort
    model = gf.HierarchicalClassifier({"smri": gf.VectorView(components=20)}).fit(cohort[:140])
    assert roc_auc_score(cohort.y[140:], model.predict_proba(cohort[140:])[:, 1]) > 0.9
