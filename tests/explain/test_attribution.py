from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import graphfuse as gf
from graphfuse.errors import InvalidOption, NotFitted
from graphfuse.explain import attribution, integrated_gradients, score_change


def _totals(attributions) -> np.ndarray:
    return sum(node.sum((1, 2)) + edge.sum((1, 2)) for node, edge in attributions.values())


def test_attributions_of_a_subject_sum_to_the_change_of_his_score(fitted, cohort):
    change = score_change(fitted, cohort[90:])
    errors = [
        np.abs(_totals(integrated_gradients(fitted, cohort[90:], steps)) - change).max() for steps in (4, 32, 256)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02 * change.std()


def test_score_change_is_the_log_odds_less_those_of_the_empty_brain(fitted, cohort):
    p = fitted.predict_proba(cohort[90:])
    whole = np.log(p[:, 1] / p[:, 0])
    everybody = cohort.has("smri")[90:]
    difference = whole - score_change(fitted, cohort[90:])
    np.testing.assert_allclose(difference[everybody], difference[everybody][0], atol=1e-4)  # one baseline for all


@pytest.mark.parametrize("conv", ["gcn", "cheb"])
def test_equals_captum_on_features_and_edges_together(cohort, conv):
    captum = pytest.importorskip("captum.attr")
    views = {"fmri": gf.FunctionalGraph(sparsify=gf.TopDensity(0.4))}
    model = gf.FusionClassifier(views, "add", conv=conv, hidden=(6,), width=4, epochs=5, readout="mean", members=1).fit(
        cohort[:90]
    )
    held_out = cohort[90:94]
    graphs = model.graphs(held_out)["fmri"]

    def score(x, weight):
        n = len(x)
        stacked = gf.Graphs(
            x,
            gf.Adjacency.from_dense(weight, layout="dense"),
            graphs.nodes[:1].expand(n, -1),
            torch.ones(n, dtype=torch.bool),
        )
        logits = model.network_({"fmri": stacked})[0]
        return logits[:, 1] - logits[:, 0]

    inputs = (graphs.x, graphs.adjacency.to_dense())
    wanted = captum.IntegratedGradients(score).attribute(inputs, n_steps=1200, method="gausslegendre")
    got = integrated_gradients(model, held_out, steps=1200)["fmri"]
    for ours, theirs in zip(got, wanted, strict=True):
        # A ReLU kink on the path costs any rule an error of first order in the step, at single entries: up to .006 of
        # the largest at 400 points, .0045 at 1200, .0005 at 4000, which takes half a minute. So the largest error keeps
        # its wide bound, and the mean one, which a kink hardly moves (.0003), has a tight one.
        error, size = np.abs(ours - theirs.detach().numpy()), float(theirs.abs().max())
        assert error.mean() < 1e-3 * size
        assert error.max() < 1e-2 * size


def test_without_edges_only_features_count(cohort):
    model = gf.FusionClassifier(
        {"fmri": gf.FunctionalGraph()}, "add", edges="none", hidden=(6,), width=4, epochs=3
    ).fit(cohort[:90])
    node, edge = integrated_gradients(model, cohort[90:])["fmri"]
    assert np.abs(node).max() > 0
    assert not edge.any()


def test_attention_over_edges_gives_their_weights_nothing(cohort):
    model = gf.FusionClassifier({"fmri": gf.FunctionalGraph()}, "add", conv="gat", hidden=(6,), width=4, epochs=3)
    node, edge = integrated_gradients(model.fit(cohort[:90]), cohort[90:])["fmri"]
    assert np.abs(node).max() > 0
    assert not edge.any()


def test_a_missing_modality_gets_zeros(fitted, cohort):
    node, edge = integrated_gradients(fitted, cohort[90:])["smri"]
    missing = ~cohort.has("smri")[90:]
    assert missing.any()
    assert not node[missing].any()
    assert not edge[missing].any()
    assert all(row.any() for row in node[~missing])


def test_nobody_measured_gives_zeros(fitted, cohort):
    nobody = cohort[[0, 10]]
    signals = {name: replace(signal, length=signal.length * 0) for name, signal in nobody.signals.items()}
    nobody = replace(nobody, signals=signals)
    assert not score_change(fitted, nobody).any()
    assert not _totals(integrated_gradients(fitted, nobody)).any()


def test_chunks_change_nothing(fitted, cohort, monkeypatch):
    whole = integrated_gradients(fitted, cohort[90:], 4)
    monkeypatch.setattr(attribution, "CHUNK", 7)
    for name, pair in integrated_gradients(fitted, cohort[90:], 4).items():
        for ours, wanted in zip(pair, whole[name], strict=True):
            np.testing.assert_allclose(ours, wanted, atol=1e-5)


def test_the_model_is_left_as_it_was(fitted, cohort):
    before = fitted.predict_proba(cohort)
    integrated_gradients(fitted, cohort, 2)
    np.testing.assert_array_equal(fitted.predict_proba(cohort), before)
    assert all(parameter.grad is None for parameter in fitted.network_.parameters() if not parameter.requires_grad)


def test_bad_models_are_named(cohort, fitted):
    with pytest.raises(NotFitted, match="fit"):
        integrated_gradients(gf.FusionClassifier(), cohort)
    with pytest.raises(InvalidOption, match="FusionClassifier; got Majority"):
        integrated_gradients(gf.Majority(), cohort)
    with pytest.raises(InvalidOption, match="steps"):
        integrated_gradients(fitted, cohort, steps=0)
