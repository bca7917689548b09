from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from graphfuse.errors import GraphFuseError, InvalidOption, NonFinite, ShapeMismatch
from graphfuse.harmonise import apply_location_scale, fit_combat, fit_location_scale


def test_the_fit_is_scikit_learns_regression_on_sites_and_covariates():
    rng = np.random.default_rng(0)
    site, C = np.arange(50) % 3, rng.standard_normal((50, 2))
    X = rng.standard_normal((50, 4)) + C @ rng.standard_normal((2, 4)) + np.arange(3)[site, None]
    found = fit_location_scale(X, site, C)
    design = np.hstack([np.eye(3)[site], C])
    reference = LinearRegression(fit_intercept=False).fit(design, X)
    np.testing.assert_allclose(found["slopes"], reference.coef_.T[3:], atol=1e-10)
    np.testing.assert_allclose(found["mean"], (found["count"] / 50) @ reference.coef_.T[:3], atol=1e-10)
    residual = X - reference.predict(design)
    np.testing.assert_allclose(found["scale"], residual.std(0), atol=1e-10)
    np.testing.assert_allclose(found["shift"], (reference.coef_.T[:3] - found["mean"]) / found["scale"], atol=1e-10)


def test_subjects_without_a_site_take_no_part_and_stay_as_they_are():
    rng = np.random.default_rng(0)
    X, site = rng.standard_normal((30, 3)), np.r_[np.arange(28) % 2, -1, -1]
    X[28:] = 1e6
    found, without = fit_location_scale(X, site), fit_location_scale(X[:28], site[:28])
    assert all(np.array_equal(found[key], without[key]) for key in found)
    assert np.array_equal(apply_location_scale(X, site, found)[28:], X[28:])
    with pytest.raises(InvalidOption, match="have a site"):
        fit_location_scale(X, np.full(30, -1))


@pytest.mark.parametrize("fit", [fit_location_scale, fit_combat])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_in_the_fit_and_after_it(fit, wrong):
    X, site = np.random.default_rng(0).standard_normal((9, 3)), np.arange(9) % 3
    parameters, bad = fit(X, site), X.copy()
    bad[2, 1] = wrong
    for refused in (
        lambda: fit(bad, site),
        lambda: fit(X, site, bad),
        lambda: apply_location_scale(bad, site, parameters),
    ):
        with pytest.raises(NonFinite, match="1 of 27"):
            refused()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"X": np.zeros(9)}, ShapeMismatch),
        ({"X": np.zeros((9, 2))}, ShapeMismatch),
        ({"site": np.zeros(8, int)}, ShapeMismatch),
        ({"site": np.full(9, 3)}, InvalidOption),
        ({"site": np.full(9, 0.5)}, InvalidOption),
        ({"covariates": np.zeros((9, 1))}, ShapeMismatch),
    ],
)
def test_what_does_not_match_the_fit_is_refused_by_name(change, error):
    X, site = np.random.default_rng(0).standard_normal((9, 3)), np.arange(9) % 3
    given = {"X": X, "site": site, "parameters": fit_location_scale(X, site)}
    with pytest.raises(error):
        apply_location_scale(**given | change)


def test_a_site_code_that_nobody_has_is_refused():
    with pytest.raises(GraphFuseError, match="every site code"):
        fit_location_scale(np.zeros((4, 1)), np.array([0, 0, 2, 2]))
