from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress, ttest_ind

from graphfuse.connectome.edge_statistics import edge_model, edge_t
from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch

RNG = np.random.default_rng(3)
VALUES = RNG.normal(size=(40, 15))
SITE = np.array(list("abcd") * 10)
AGE = RNG.normal(20, 5, size=40)
X = RNG.normal(size=40) + AGE / 5


def least_squares_t(y: np.ndarray, x: np.ndarray, nuisance: np.ndarray) -> float:
    """t of x by the textbook: solve the normal equations of the whole model, one edge alone."""
    design = np.column_stack([x, np.ones(len(x)), nuisance])
    inverse = np.linalg.inv(design.T @ design)
    b = inverse @ design.T @ y
    noise = np.square(y - design @ b).sum() / (len(y) - design.shape[1])
    return b[0] / np.sqrt(noise * inverse[0, 0])


def nuisance() -> np.ndarray:
    return np.column_stack([AGE, *(s == SITE for s in "bcd")])


def test_two_groups_give_students_t_edge_by_edge():
    groups = np.array(["control", "patient"])[np.arange(40) % 2]
    wanted = [ttest_ind(y[groups == "patient"], y[groups == "control"]).statistic for y in VALUES.T]
    np.testing.assert_allclose(edge_t(VALUES, groups), wanted)
    np.testing.assert_allclose(edge_t(VALUES, np.arange(40) % 2), wanted)
    np.testing.assert_allclose(edge_t(VALUES, groups == "patient"), wanted)


def test_numbers_give_the_t_of_a_regression():
    fits = [linregress(X, y) for y in VALUES.T]
    np.testing.assert_allclose(edge_t(VALUES, X), [fit.slope / fit.stderr for fit in fits])


def test_covariates_are_held_constant_as_in_the_whole_model():
    wanted = [least_squares_t(y, X, nuisance()) for y in VALUES.T]
    table = pd.DataFrame({"age": AGE, "site": SITE})  # three indicators too many change nothing
    np.testing.assert_allclose(edge_t(VALUES, X, table), wanted)
    np.testing.assert_allclose(edge_t(VALUES, X, nuisance()), wanted)


def test_an_order_gives_the_model_fitted_anew_to_permuted_residuals():
    z = np.column_stack([np.ones(40), nuisance()])
    hat = z @ np.linalg.pinv(z)
    orders = np.stack([RNG.permutation(40) for _ in range(3)])
    got = edge_model(VALUES, X, nuisance()).t(orders)
    for order, row in zip(orders, got, strict=True):
        residuals = VALUES - hat @ VALUES
        permuted = np.empty_like(VALUES)
        permuted[order] = residuals  # residual i goes to subject order[i]
        wanted = [least_squares_t(y, X, nuisance()) for y in (hat @ VALUES + permuted).T]
        np.testing.assert_allclose(row, wanted)


def test_without_covariates_an_order_is_the_test_with_labels_permuted():
    codes, order = np.arange(40) % 2, RNG.permutation(40)
    np.testing.assert_allclose(edge_model(VALUES, codes).t(order[None])[0], edge_t(VALUES, codes[order]))


def test_units_of_edges_x_and_covariates_do_not_matter():
    wanted = edge_t(VALUES, X, nuisance())
    np.testing.assert_allclose(edge_t(1e9 * VALUES + 1e3, 1e-6 * X + 5, 1e4 * nuisance()), wanted, rtol=1e-6)


def test_an_edge_that_the_covariates_explain_has_no_t_and_a_perfect_one_a_finite_t():
    values = np.column_stack([np.full(40, 0.3), AGE, np.arange(40) % 2])
    t = edge_t(values, np.arange(40) % 2, AGE[:, None])
    assert t[:2].tolist() == [0, 0]
    assert 1e5 < t[2] < np.inf


@pytest.mark.parametrize(
    ("values", "x", "covariates", "error", "said"),
    [
        (VALUES, SITE, None, InvalidOption, "two groups"),
        (VALUES, np.zeros(40), None, InvalidOption, "vary"),
        (VALUES, AGE, AGE[:, None], InvalidOption, "vary"),
        (VALUES[:3], X[:3], AGE[:3, None], InvalidOption, "too few"),
        (np.full((40, 2), np.nan), X, None, NonFinite, "values"),
        (VALUES, np.where(X > 4, np.nan, X), None, NonFinite, "x"),
        (VALUES, X, pd.DataFrame({"site": [None, *SITE[1:]]}), InvalidOption, "gaps"),
        (VALUES, X[:10], None, ShapeMismatch, "x"),
        (VALUES, X, AGE, ShapeMismatch, "covariates"),
    ],
)
def test_what_cannot_be_tested_is_refused_by_name(values, x, covariates, error, said):
    with pytest.raises(error, match=said):
        edge_t(values, x, covariates)
