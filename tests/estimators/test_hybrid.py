"""Hybrid fusion as a classifier of cohorts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

import graphfuse as gf
from graphfuse.errors import InvalidOption
from graphfuse.estimators.hybrid import HybridFusion
from graphfuse.estimators.hybrid_network import HybridNetwork
from graphfuse.estimators.vector_view import PhenotypeView, VectorView


def model(**options) -> HybridFusion:
    views = {"fmri": VectorView(components=8), "smri": gf.MorphometricGraph()}
    return HybridFusion(**{"views": views, "epochs": 3, "hidden": (4,), "width": 4, "members": 1, **options})


def planted(seed: int, n: int = 300) -> gf.Cohort:
    """Two vectors that hold half of the effect each; some people lack one of them."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    rows = {name: list(rng.normal(size=(n, 4)) + 0.8 * y[:, None]) for name in "ab"}
    rows["a"] = [None if i % 7 == 0 else row for i, row in enumerate(rows["a"])]
    table = pd.DataFrame({"dx": np.array(["well", "sick"])[y]}, [f"s{seed}-{i:03d}" for i in range(n)])
    signals = {name: gf.Signal.pack("vector", arrays) for name, arrays in rows.items()}
    return gf.Cohort(table, signals, target="dx", classes=("well", "sick"))


def test_it_is_deterministic_and_blind_to_order_and_company(train, test):
    fitted = model(members=2).fit(train)
    p = fitted.predict_proba(test)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert np.array_equal(p, clone(fitted).fit(train[::-1]).predict_proba(test))
    alone = np.concatenate([fitted.predict_proba(test[[i]]) for i in range(len(test))])
    np.testing.assert_allclose(alone, p, atol=1e-6)
    assert not np.array_equal(p, model(members=2, random_state=1).fit(train).predict_proba(test))


def test_an_untempered_network_answers_with_the_rule_over_its_heads(train, test):
    fitted = model(output="max").fit(train)
    net = fitted.network_.members[0]
    assert isinstance(net, HybridNetwork)
    fitted.network_.temperature.fill_(1.0)
    with torch.no_grad():
        logits, present = net.opinions(fitted.inputs(test))
    p = np.where(present[..., None], logits.softmax(-1), 0).max(1)
    np.testing.assert_allclose(fitted.predict_proba(test), p / p.sum(1, keepdims=True), atol=1e-5)
    assert not present.all()


def test_the_auxiliary_heads_are_trained(train):
    weights = [model(head_weight=w, weight_decay=0.0).fit(train).network_.state_dict() for w in (0.0, 1.0)]
    fresh = model(weight_decay=0.0, epochs=1, learning_rate=1e-12).fit(train).network_.state_dict()
    head = "members.0.heads.0.1.weight"
    torch.testing.assert_close(weights[0][head], fresh[head])
    assert not torch.allclose(weights[1][head], fresh[head], atol=1e-5)


def test_strategies_and_weights_can_be_tuned(train):
    grid = {"fusion": ["add", "gated"], "head_weight": [0.0, 0.5], "views__fmri__components": [4]}
    search = gf.choose(model(), grid, folds=2).fit(train, train.y)
    assert len(search.cv_results_["params"]) == 4
    assert len(np.unique(search.cv_results_["mean_test_score"])) > 1
    assert search.best_estimator_.views_["fmri"].components == 4


def test_phenotypes_may_join_at_the_output_only(train, test):
    views = {"fmri": VectorView(components=8), "smri": gf.MorphometricGraph(), "people": PhenotypeView()}
    fitted = model(views=views, together=("fmri", "smri"), output="bayes").fit(train)
    p = fitted.predict_proba(test)
    assert np.isfinite(p).all()
    assert set(fitted.layout_) == {"fmri", "smri"}


def test_both_modalities_together_tell_more_than_either():
    train, new = planted(0), planted(1)
    scores = []
    for names in ("ab", "a", "b"):
        views = {name: VectorView() for name in names}
        fitted = HybridFusion(views, epochs=40, learning_rate=1e-2, width=8).fit(train)
        scores.append(fitted.score(new))
    assert scores[0] > max(scores[1:]) > 0.65


def test_the_network_can_be_built_anew(train):
    fitted = model(members=2, together=("fmri",)).fit(train)
    built = fitted.build_network()
    assert built.load_state_dict(fitted.network_.state_dict()) == ([], [])  # nothing missing, nothing left over


def test_no_views_are_refused_by_name(train):
    with pytest.raises(InvalidOption, match="Name views"):
        HybridFusion().fit(train)
