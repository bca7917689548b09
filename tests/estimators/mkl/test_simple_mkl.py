from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from graphfuse.errors import GraphFuseWarning
from graphfuse.estimators.mkl.simple_mkl import duality_gap, objective, reduced_direction, simple_weights
from graphfuse.estimators.mkl.support_vectors import quadratic_forms, solve_dual


def value(problem, weights) -> tuple[float, float]:
    """J and the duality gap at some weights."""
    dual = solve_dual(np.tensordot(weights, problem.kernels, 1), problem.signs, problem.C)
    forms = quadratic_forms(problem.kernels, dual.signed)
    return objective(dual, weights, forms), duality_gap(weights, forms)


def grid(k: int, steps: int = 10) -> list[np.ndarray]:
    return [np.array(p) / steps for p in product(range(steps + 1), repeat=k) if sum(p) == steps]


@pytest.mark.parametrize("effects", [(0.5, 0.4), (1.0, 0.0), (0.5, 0.6, 0.4), (0.0, 0.0, 0.0)])
@pytest.mark.parametrize("C", [0.1, 5.0])
def test_the_gap_closes_and_no_point_of_a_grid_is_lower(effects, C, problem_of):
    problem = problem_of(effects, C=C)
    weights = simple_weights(problem, tolerance=1e-4)
    found, gap = value(problem, weights)
    assert 0 <= gap <= 1e-4 * found
    lowest = min(value(problem, point)[0] for point in grid(len(effects)))  # vertices and, nearly, the average too
    assert found <= lowest * (1 + 2e-4)


def test_the_slope_of_the_objective_is_minus_half_the_form(problem_of):
    problem = problem_of([0.5, 0.8], C=0.5)
    weights, step = np.array([0.4, 0.6]), 1e-4
    dual = solve_dual(np.tensordot(weights, problem.kernels, 1), problem.signs, problem.C)
    forms = quadratic_forms(problem.kernels, dual.signed)
    for m in range(2):
        moved = weights + step * np.eye(2)[m]
        other = solve_dual(np.tensordot(moved, problem.kernels, 1), problem.signs, problem.C)
        slope = (
            objective(other, moved, quadratic_forms(problem.kernels, other.signed)) - value(problem, weights)[0]
        ) / step
        assert slope == pytest.approx(-forms[m] / 2, rel=1e-2)


def test_the_direction_descends_stays_on_the_simplex_and_lets_no_weight_of_0_fall():
    gradient = np.array([-3.0, -1.0, -2.0, -5.0])
    direction = reduced_direction(np.array([0.6, 0.0, 0.4, 0.0]), gradient)
    np.testing.assert_allclose(direction, [-1.0, 0.0, -1.0, 2.0])
    assert direction.sum() == 0
    assert direction @ gradient < 0


def test_too_few_steps_are_said(problem_of):
    with pytest.warns(GraphFuseWarning, match="duality gap"):
        simple_weights(problem_of([2.0, 0.0, 0.3]), tolerance=1e-6, steps=1)
