"""Similarity network fusion equals the published iteration, and new people leave it alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm as normal
from sklearn.base import clone
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from graphfuse.errors import InvalidOption, MissingModality, NotFitted
from graphfuse.graph.similarity_fusion import SimilarityNetworkFusion

K, MU, STEPS = 5, 0.5, 8


def people(n=20, seed=0):
    rng = np.random.default_rng(seed)
    return {"fmri": rng.standard_normal((n, 6)), "pet": rng.standard_normal((n, 4)), "smri": rng.random((n, 3)) * 9}


def model(**options):
    return SimilarityNetworkFusion(**{"neighbours": K, "mu": MU, "steps": STEPS} | options)


def affinity(x):
    z = (x - x.mean(0)) / x.std(0, ddof=1)
    rho = np.linalg.norm(z[:, None] - z[None], axis=2)
    near = np.sort(rho, 1)[:, 1 : K + 1].mean(1)
    return normal.pdf(rho, 0, MU * (near[:, None] + near[None] + rho) / 3)


def half(w):
    p = w / (2 * (w.sum(1) - np.diag(w)))[:, None]
    np.fill_diagonal(p, 0.5)
    return (p + p.T) / 2


def by_row(w):
    p = w / w.sum(1, keepdims=True)
    return (p + p.T) / 2


START = {"half": half, "b0": by_row}
AGAIN = {"half": half, "b0": lambda w: (w + w.T) / 2 + np.eye(len(w))}
END = {"half": half, "b0": lambda w: by_row(w) + np.eye(len(w)) / 2}


def nearest(p):
    s = np.zeros_like(p)
    for i, row in enumerate(p):
        chosen = np.argsort(-row)[:K]
        s[i, chosen] = row[chosen] / row[chosen].sum()
    return s


def iterate(features, norm, steps=STEPS):
    """Status after each step and S of each modality, everybody present, in plain numpy."""
    p = [START[norm](affinity(features[name])) for name in sorted(features)]
    s = [nearest(w) for w in p]
    for _ in range(steps):
        p = [AGAIN[norm](s[v] @ (sum(p) - p[v]) @ s[v].T / (len(p) - 1)) for v in range(len(p))]
    return p, s


@pytest.mark.parametrize("norm", ["b0", "half"])
def test_the_fused_network_is_the_published_iteration_in_numpy(norm):
    features = people()
    p, _ = iterate(features, norm)
    fitted = model(norm=norm).fit(features)
    np.testing.assert_allclose(fitted.fused_, END[norm](sum(p) / 3), atol=1e-12)
    adjacency = fitted.adjacency()
    assert adjacency.symmetric
    np.testing.assert_allclose(adjacency.to_dense()[0], fitted.fused_.numpy() * (1 - np.eye(20)), atol=1e-7)


@pytest.mark.parametrize("norm", ["b0", "half"])
def test_a_new_row_is_one_more_step_in_numpy(norm):
    features, new = people(), people(4, seed=1)
    p, s = iterate(features, norm)
    rows = []
    for v, name in enumerate(sorted(features)):
        x, w = features[name], affinity(features[name])
        z, z_new = ((rows_ - x.mean(0)) / x.std(0, ddof=1) for rows_ in (x, new[name]))
        among = np.linalg.norm(z[:, None] - z[None], axis=2)
        near = np.sort(among, 1)[:, 1 : K + 1].mean(1)
        rho = np.linalg.norm(z_new[:, None] - z[None], axis=2)
        mine = np.sort(rho, 1)[:, :K].mean(1)
        w_new = normal.pdf(rho, 0, MU * (mine[:, None] + near[None] + rho) / 3)
        own = normal.pdf(0, 0, MU * 2 * mine / 3) if norm == "b0" else 0
        total = w.sum(1) if norm == "b0" else w.sum(1) - np.diag(w)
        status = w_new / (w_new.sum(1) + own)[:, None] + w_new / total[None]
        rows.append(nearest(status) @ (sum(p) - p[v]) @ s[v].T / 2)
    row = sum(rows) / 3
    wanted = row / (row.sum(1, keepdims=True) + 1) if norm == "b0" else row / (2 * row.sum(1, keepdims=True))
    np.testing.assert_allclose(model(norm=norm).fit(features).similarity(new), wanted, atol=1e-12)


@pytest.mark.parametrize("edges", [None, 3])
def test_new_people_change_no_bit_of_a_fitted_row_and_nobody_hears_them(edges):
    fitted = model(edges=edges).fit(people())
    before, attached = fitted.adjacency(), fitted.attach(people(4, seed=1))
    dense = attached.to_dense()[0]
    assert torch.equal(dense[:20, :20], before.to_dense()[0])
    assert torch.equal(attached.degree()[0, :20], before.degree()[0])
    assert torch.equal(attached.normalised().to_dense()[0, :20, :20], before.normalised().to_dense()[0])
    assert not dense[:, 20:].any()
    assert (dense[20:].sum(1) > 0).all()
    assert edges is None or ((dense[20:] > 0).sum(1) == edges).all()


def test_a_new_persons_row_does_not_depend_on_who_else_is_new():
    fitted, new = model().fit(people()), people(4, seed=1)
    together = fitted.similarity(new)
    for i in range(4):
        alone = fitted.similarity({name: x[[i]] for name, x in new.items()})
        torch.testing.assert_close(alone[0], together[i], rtol=0, atol=1e-14)


def clusters(seed=0):
    """Sixty people in three groups that two noisy modalities share."""
    rng = np.random.default_rng(seed)
    truth = np.arange(60) % 3
    centres = 2.25 * np.eye(3, 8)[truth]
    return {name: rng.standard_normal((60, 8)) + centres for name in ("fmri", "smri")}, truth


def found(similarity, truth):
    labels = SpectralClustering(3, affinity="precomputed", random_state=0).fit_predict(similarity)
    return adjusted_rand_score(truth, labels)


@pytest.mark.parametrize("norm", ["b0", "half"])
def test_shared_clusters_that_each_modality_shows_dimly_come_out_of_the_fusion(norm):
    settings = {"neighbours": 12, "norm": norm, "steps": 10}
    fused, alone = [], []
    for seed in range(3):
        features, truth = clusters(seed)
        fused.append(found(SimilarityNetworkFusion(**settings).fit(features).fused_.numpy(), truth))
        for name, x in features.items():
            alone.append(found(SimilarityNetworkFusion(**settings).fit({name: x}).fused_.numpy(), truth))
    assert np.mean(fused) > 0.8
    assert np.mean(alone) < 0.6


@pytest.mark.parametrize("norm", ["b0", "half"])
def test_a_new_row_resembles_the_row_of_the_same_person_had_she_been_fitted(norm):
    everybody, _ = clusters()
    whole = model(norm=norm).fit(everybody).fused_.numpy()[-6:, :-6]
    fitted = model(norm=norm).fit({name: x[:-6] for name, x in everybody.items()})
    rows = fitted.similarity({name: x[-6:] for name, x in everybody.items()}).numpy()
    alike = np.corrcoef(rows, whole)[:6, 6:]  # (new rows, rows had they been fitted)
    assert (alike.argmax(1) == np.arange(6)).all()
    assert alike.diagonal().mean() > 0.9
    if norm == "half":  # on the scale of the fitted rows, where half is off the diagonal
        np.testing.assert_allclose(rows.sum(1), 0.5, atol=1e-12)


@pytest.mark.parametrize("norm", ["b0", "half"])
def test_changing_missing_values_changes_no_bit_of_anybody(norm):
    features, new = people(), people(4, seed=1)
    present = {name: np.ones(20, bool) for name in features}
    present["pet"][[2, 5]], present["smri"][[5, 7, 9]] = False, False
    new_present = {name: np.ones(4, bool) for name in features}
    new_present["fmri"][1], new_present["pet"][1] = False, False
    fitted = model(norm=norm).fit(features, present)
    rows = fitted.similarity(new, new_present)
    spoilt = {name: np.where(present[name][:, None], features[name], np.nan) for name in features}
    spoilt_new = {name: np.where(new_present[name][:, None], new[name], 1e9) for name in features}
    again = model(norm=norm).fit(spoilt)  # rows of NaN are missing
    assert torch.equal(again.fused_, fitted.fused_)
    assert torch.equal(again.similarity(spoilt_new, new_present), rows)
    assert fitted.fused_.isfinite().all()
    assert (rows.sum(1) > 0).all()


def test_two_people_without_a_common_modality_are_joined_by_nothing():
    features = people()
    features["pet"][3], features["smri"][3] = np.nan, np.nan
    features["fmri"][4] = np.nan
    fused = model().fit(features).fused_
    assert fused[3, 4] == 0
    assert (fused[3].count_nonzero(), fused[4].count_nonzero()) == (19, 19)


def test_scope_says_whether_people_without_labels_were_fitted():
    features = people()
    assert model().scope == "training"
    assert model().fit(features).scope == "training"
    assert model().fit(features, unlabelled=5).scope == "features"
    assert clone(model().fit(features, unlabelled=5)).scope == "training"
    assert not SimilarityNetworkFusion.uses_y


def test_wrong_settings_and_other_modalities_are_refused():
    features = people()
    for options in ({"neighbours": 0}, {"mu": 0}, {"steps": 0}, {"alpha": -1}, {"norm": "full"}, {"edges": 0}):
        with pytest.raises(InvalidOption, match=next(iter(options))):
            model(**options).fit(features)
    with pytest.raises(InvalidOption, match="unlabelled"):
        model().fit(features, unlabelled=21)
    with pytest.raises(NotFitted):
        model().adjacency()
    with pytest.raises(MissingModality, match="Expected"):
        model().fit(features).attach({"fmri": features["fmri"]})
