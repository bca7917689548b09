from __future__ import annotations

import numpy as np
from scipy.optimize import LinearConstraint, minimize

from graphfuse.estimators.mkl.support_vectors import quadratic_forms, solve_dual


def test_the_dual_is_that_of_a_general_solver(problem_of):
    problem = problem_of([0.8], n=20)
    K, y = problem.kernels[0], problem.signs
    Q = K * np.outer(y, y)
    best = minimize(
        lambda a: a @ Q @ a / 2 - a.sum(),
        np.full(20, 0.1),
        jac=lambda a: Q @ a - 1,
        method="SLSQP",
        bounds=[(0, 1)] * 20,
        constraints=LinearConstraint(y[None], 0, 0),
        options={"maxiter": 500, "ftol": 1e-14},
    )
    dual = solve_dual(K, y, 1.0)
    a = dual.signed * y
    assert a.min() >= 0
    assert a.max() <= 1
    assert abs(dual.signed.sum()) < 1e-12
    np.testing.assert_allclose(a.sum() - a @ Q @ a / 2, -best.fun, rtol=1e-6)


def test_forms_are_those_of_a_loop(problem_of):
    problem = problem_of([0.8, 0.1])
    signed = np.random.default_rng(0).normal(size=40)
    np.testing.assert_allclose(quadratic_forms(problem.kernels, signed), [signed @ K @ signed for K in problem.kernels])
