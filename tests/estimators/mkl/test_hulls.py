from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize

from graphfuse.errors import InvalidOption
from graphfuse.estimators.mkl.hulls import exchanged, margin_distributions


def by_brute_force(K: np.ndarray, y: np.ndarray, lam: float) -> np.ndarray:
    Q = (1 - lam) * K * np.outer(y, y) + lam * np.eye(len(y))
    classes = np.stack([y > 0, y < 0]).astype(float)
    start = classes.T @ (1 / classes.sum(1))
    return minimize(
        lambda g: g @ Q @ g,
        start,
        jac=lambda g: 2 * Q @ g,
        method="SLSQP",
        bounds=[(0, 1)] * len(y),
        constraints=LinearConstraint(classes, 1, 1),
        options={"maxiter": 500, "ftol": 1e-15},
    ).x


@pytest.mark.parametrize("lam", [0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("effect", [0.0, 3.0])
def test_distributions_are_those_of_a_general_solver(lam, effect, problem_of):
    problem = problem_of([effect, 0.2], n=16)
    K, y = problem.kernels.sum(0), problem.signs
    np.testing.assert_allclose(margin_distributions(K, y, lam), by_brute_force(K, y, lam), atol=1e-6)


@pytest.mark.parametrize("lam", [0.001, 0.1, 0.9])
def test_no_vertex_of_the_two_simplices_lowers_the_objective(lam, problem_of):
    """The gap of Frank and Wolfe bounds how far the objective is from its minimum."""
    problem = problem_of([0.7, 0.0, 0.3], n=120)
    K, y = problem.kernels.sum(0), problem.signs
    g = margin_distributions(K, y, lam)
    np.testing.assert_allclose([g[y > 0].sum(), g[y < 0].sum()], 1)
    assert g.min() >= 0
    gradient = (1 - lam) * y * (K @ (y * g)) + lam * g
    gap = gradient @ g - gradient[y > 0].min() - gradient[y < 0].min()
    assert gap <= 1e-9 * (gradient @ g)


@pytest.mark.parametrize("start", ["means", "two people"])
def test_people_are_exchanged_from_any_start(start, problem_of):
    problem = problem_of([0.7], n=30)
    y = problem.signs
    form = (problem.kernels[0] + 0.1 * np.eye(30)) * np.outer(y, y)
    classes = np.stack([y > 0, y < 0], 1).astype(float)
    shares = classes @ (1 / classes.sum(0)) if start == "means" else np.eye(30)[0] + np.eye(30)[1]
    best = margin_distributions(problem.kernels[0], y, 0.1 / 1.1)  # the same up to a factor of 1.1
    np.testing.assert_allclose(exchanged(form, classes, shares), best, atol=1e-9)


def test_with_lam_1_everybody_of_a_class_has_the_same_share(problem_of):
    problem = problem_of([0.7])
    shares = margin_distributions(problem.kernels[0], problem.signs, 1.0)
    np.testing.assert_allclose(shares[problem.signs > 0], 1 / (problem.signs > 0).sum(), rtol=1e-9)


@pytest.mark.parametrize("lam", [0.0, 1.5])
def test_lam_outside_its_range_is_refused(lam, problem_of):
    with pytest.raises(InvalidOption, match="lam"):
        margin_distributions(problem_of([0.5]).kernels[0], problem_of([0.5]).signs, lam)
