from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphfuse.explain import contributions, integrated_gradients, score_change


def test_shares_of_the_variance_sum_to_one(fitted, cohort):
    parts = contributions(fitted, cohort[90:], steps=128)
    assert sum(part.total for part in parts.values()) == pytest.approx(1, abs=0.01)


def test_equals_covariances_taken_edge_by_edge(fitted, cohort):
    held_out = cohort[90:]
    score = score_change(fitted, held_out)
    part = contributions(fitted, held_out)["fmri"]
    node, edge = integrated_gradients(fitted, held_out)["fmri"]
    for a in range(8):
        for b in range(a + 1, 8):
            whole = (node + edge)[:, a, b] + (node + edge)[:, b, a]
            wanted = np.cov(whole, score)[0, 1] / np.var(score, ddof=1)
            assert part.edge[a, b] == pytest.approx(wanted, abs=1e-6)
            assert part.edge[b, a] == part.edge[a, b]


def test_measures_of_a_region_are_added_up(fitted, cohort):
    held_out = cohort[90:]
    score = score_change(fitted, held_out)
    node, _ = integrated_gradients(fitted, held_out)["smri"]
    wanted = [np.cov(node[:, r].sum(1), score)[0, 1] / np.var(score, ddof=1) for r in range(6)]
    np.testing.assert_allclose(contributions(fitted, held_out)["smri"].region, wanted, atol=1e-6)


def test_a_region_gets_half_of_its_edges(fitted, cohort):
    part = contributions(fitted, cohort[90:])["fmri"]
    assert part.by_region().sum() == pytest.approx(part.magnitude)
    one = np.zeros((8, 8))
    one[2, 5] = one[5, 2] = -3.0
    lone = replace(part, region=np.zeros(8), edge=one)
    np.testing.assert_allclose(lone.by_region(), [0, 0, 1.5, 0, 0, 1.5, 0, 0])
    assert lone.total == -3


def test_planted_edges_lead_with_their_signs(fitted, cohort):
    part = contributions(fitted, cohort[90:])["fmri"]
    leading = {tuple(sorted(divmod(place, 8))) for place in np.argsort(-part.edge, axis=None)[:4]}
    assert leading == {(1, 2), (4, 5)}
    assert part.direction[1, 2] == 1
    assert part.direction[4, 5] == -1


def test_one_subject_has_no_variance_to_share(fitted, cohort):
    parts = contributions(fitted, cohort[[95]])
    assert all(part.magnitude == 0 and np.isfinite(part.by_region()).all() for part in parts.values())
