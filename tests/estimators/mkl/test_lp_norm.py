from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from graphfuse.errors import GraphFuseWarning, InvalidOption
from graphfuse.estimators.mkl.lp_norm import lp_weights
from graphfuse.estimators.mkl.simple_mkl import simple_weights
from graphfuse.estimators.mkl.support_vectors import quadratic_forms, solve_dual


@pytest.mark.parametrize("p", [1.5, 2.0, 4.0])
def test_the_weights_minimise_the_machines_optimum_on_the_unit_ball(p, problem_of):
    problem = problem_of([0.5, 0.9, 0.2])

    def optimum(free: np.ndarray) -> float:
        weights = np.abs(free) / (np.abs(free) ** p).sum() ** (1 / p)
        dual = solve_dual(np.tensordot(weights, problem.kernels, 1), problem.signs, 1.0)
        return np.abs(dual.signed).sum() - weights @ quadratic_forms(problem.kernels, dual.signed) / 2

    best = minimize(optimum, np.ones(3), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
    found = lp_weights(problem, p)
    assert optimum(found) <= best.fun * (1 + 1e-5)
    np.testing.assert_allclose(found, np.abs(best.x) / np.abs(best.x).sum(), atol=1e-2)


def test_a_large_p_gives_equal_weights_and_p_near_1_those_of_simple_mkl(problem_of):
    problem = problem_of([0.5, 0.9, 0.2])
    np.testing.assert_allclose(lp_weights(problem, p=500.0), 1 / 3, atol=2e-3)
    sparse = simple_weights(problem, tolerance=1e-5)
    np.testing.assert_allclose(lp_weights(problem, p=1.01, steps=2000), sparse, atol=3e-2)


def test_p_of_1_is_refused_and_too_few_steps_are_said(problem_of):
    with pytest.raises(InvalidOption, match="p must"):
        lp_weights(problem_of([0.5, 0.4]), p=1.0)
    with pytest.warns(GraphFuseWarning, match="still move"):
        lp_weights(problem_of([0.5, 2.0]), steps=1)
