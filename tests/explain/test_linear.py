from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.errors import InvalidOption, NotFitted
from graphfuse.explain import linear_importance


@pytest.fixture(scope="module")
def ridge(cohort):
    return gf.Ridge().fit(cohort[:90])


def test_planted_regions_lead(ridge, cohort):
    table = linear_importance(ridge, cohort[90:])
    leading = {name: list(part["region"]) for name, part in table.groupby("modality")}
    assert set(leading["fmri"][:4]) == {"r1", "r2", "r4", "r5"}
    assert leading["smri"][0] == "region 3"
    assert table["mean"].sum() == pytest.approx(1)
    assert list(table["rank"]) == list(range(1, 15))


def test_equals_covariance_times_weights_over_the_variance_of_the_score(ridge, cohort):
    X = ridge.vector_.transform(cohort[90:].blind()).astype(float)
    w = ridge.coef_[:, 1] - ridge.coef_[:, 0]
    pattern = np.cov(X.T) @ w / np.var(X @ w, ddof=1)  # theorem 1 of Haufe et al.
    edges, measures = pattern[:28], pattern[28:].reshape(6, 5)
    sizes = np.zeros((8, 8))
    sizes[np.triu_indices(8, 1)] = np.abs(edges)
    fmri = (sizes + sizes.T).sum(1) / 2
    share = np.array([max(w[:28] @ edges, 0), max(w[28:] @ pattern[28:], 0)])
    share /= share.sum()
    wanted = [*share[0] * fmri / fmri.sum(), *share[1] * np.abs(measures).sum(1) / np.abs(measures).sum()]
    table = linear_importance(ridge, cohort[90:]).set_index(["modality", "region"])["mean"]
    order = [("fmri", f"r{i}") for i in range(8)] + [("smri", f"region {i}") for i in range(6)]
    np.testing.assert_allclose(table.loc[order], wanted, atol=1e-9)


def test_a_weight_that_only_cancels_noise_is_no_importance():
    """Haufe's example: the second region knows nothing but the noise of the first."""
    rng = np.random.default_rng(0)
    n = 400
    y, noise = np.arange(n) % 2, rng.standard_normal(n)
    values = np.stack([y - 0.5 + noise, noise], 1)[:, :, None] + 0.05 * rng.standard_normal((n, 2, 1))
    table = gf.simulate_cohort(n, modalities=("smri",), seed=0).cohort.phenotypes[["diagnosis"]]
    table = table.assign(diagnosis=np.array(["control", "autism"], object)[y])
    cohort = gf.Cohort(table, {"m": gf.Signal.pack("measures", list(values))}, "diagnosis", ("control", "autism"))
    ridge = gf.Ridge().fit(cohort)
    assert np.abs(ridge.coef_[1, 1]) > 0.5 * np.abs(ridge.coef_[0, 1])
    found = linear_importance(ridge, cohort).set_index("region")["mean"]
    assert found["region 0"] > 5 * found["region 1"]


def test_tangent_vectors_give_their_diagonal_to_the_region():
    cohort = gf.simulate_cohort(40, modalities=("fmri",), n_frames=(40, 50), seed=0).cohort
    ridge = gf.Ridge(("fmri",), "tangent").fit(cohort)
    table = linear_importance(ridge, cohort)
    assert len(table) == 100
    assert table["mean"].sum() == pytest.approx(1)
    assert np.isfinite(table[["mean", "x", "y", "z"]]).all(axis=None)


def test_labels_are_not_needed_and_one_person_has_no_pattern(ridge, cohort):
    blind = linear_importance(ridge, cohort[90:].blind())
    assert blind.equals(linear_importance(ridge, cohort[90:]))
    assert not linear_importance(ridge, cohort[[95]])["mean"].any()


def test_what_has_no_pattern_is_named(cohort):
    with pytest.raises(InvalidOption, match=r"gf\.Ridge; got Majority"):
        linear_importance(gf.Majority(), cohort)
    with pytest.raises(NotFitted):
        linear_importance(gf.Ridge(), cohort)
    vector = gf.Signal.pack("vector", list(np.random.default_rng(0).standard_normal((len(cohort), 4))))
    other = replace(cohort, signals={"v": vector})
    with pytest.raises(InvalidOption, match="no regions"):
        linear_importance(gf.Ridge().fit(other), other)
