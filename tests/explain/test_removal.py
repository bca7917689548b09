from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import graphfuse as gf
from graphfuse.explain.removal import delong_variance, pairs_in_order, random_order, reverse_order, without_regions

ORDER = [("fmri", 2), ("smri", 0), ("fmri", 5), ("fmri", 1), ("smri", 4)]


@pytest.fixture(scope="module")
def graphs(fitted, cohort):
    return fitted.graphs(cohort[90:].blind())


def test_a_region_that_goes_has_no_features_no_edges_and_is_masked(graphs):
    left = without_regions(graphs, [("fmri", 2)], frozenset({"fmri"}))
    x, weight = left["fmri"].x, left["fmri"].adjacency.to_dense()
    assert not x[:, 2].any()
    assert not x[:, :, 2].any()  # a profile: what the others have of it goes too
    assert not weight[:, 2].any()
    assert not weight[:, :, 2].any()
    assert not left["fmri"].nodes[:, 2].any()
    others = torch.arange(8) != 2
    assert torch.equal(x[:, others][:, :, others], graphs["fmri"].x[:, others][:, :, others])
    whole = graphs["fmri"].adjacency.to_dense()
    assert torch.equal(weight[:, others][:, :, others], whole[:, others][:, :, others])
    assert left["smri"] is graphs["smri"]


def test_measures_of_the_other_regions_stay(graphs):
    left = without_regions(graphs, [("smri", 0), ("smri", 4)], frozenset({"fmri"}))["smri"]
    assert not left.x[:, [0, 4]].any()
    assert torch.equal(left.x[:, [1, 2, 3, 5]], graphs["smri"].x[:, [1, 2, 3, 5]])


def test_a_share_takes_both_directions_of_an_edge_and_leaves_the_rest(graphs):
    rng = np.random.default_rng(0)
    left = without_regions(graphs, [("fmri", r) for r in range(8)], frozenset({"fmri"}), 0.5, rng)["fmri"]
    gone = (left.x == 0) & (graphs["fmri"].x != 0)
    assert torch.equal(gone, gone.transpose(1, 2))
    assert 0.3 < gone.float().mean() < 0.7
    assert torch.equal(left.nodes, graphs["fmri"].nodes)
    weight = left.adjacency.to_dense()
    assert torch.equal(weight, weight.transpose(1, 2))
    assert weight.any()


def test_a_random_order_takes_as_many_of_each_modality_at_every_length():
    drawn = random_order(ORDER, {"fmri": 8, "smri": 6}, np.random.default_rng(0))
    assert [name for name, _ in drawn] == [name for name, _ in ORDER]
    assert len(set(drawn)) == len(drawn)
    assert reverse_order(ORDER) == [("fmri", 1), ("smri", 4), ("fmri", 5), ("fmri", 2), ("smri", 0)]


def test_the_mean_of_the_pairs_is_the_auc_with_ties():
    rng = np.random.default_rng(0)
    positive, score = rng.random(40) < 0.5, rng.integers(0, 6, 40)
    assert pairs_in_order(score, positive).mean() == pytest.approx(roc_auc_score(positive, score))


def test_delongs_variance_is_that_of_many_samples():
    rng = np.random.default_rng(0)
    positive = np.arange(80) % 2 == 0
    draws = [pairs_in_order(rng.standard_normal(80) + positive, positive) for _ in range(2000)]
    wanted = np.var([pairs.mean() for pairs in draws])
    assert np.mean([delong_variance(pairs) for pairs in draws]) == pytest.approx(wanted, rel=0.12)


def test_one_subject_of_a_class_gives_a_finite_variance():
    assert np.isfinite(delong_variance(np.array([[1.0, 0.5, 0.0]])))


def test_a_network_reads_what_is_left(fitted, graphs):
    left = without_regions(graphs, ORDER, frozenset({"fmri"}))
    with torch.no_grad():
        logits = fitted.network_(left)[0]
    assert torch.isfinite(logits).all()
    assert isinstance(left["fmri"], gf.Graphs)
