from __future__ import annotations

import numpy as np
import pytest

from graphfuse.estimators.mkl.machines import WEIGHTS
from graphfuse.estimators.mkl.problem import Problem, on_simplex


@pytest.mark.parametrize("combination", sorted(WEIGHTS))
def test_weights_lie_on_the_simplex_and_follow_their_kernels(combination, problem_of):
    problem = problem_of([0.3, 1.0, 0.0])
    weights = WEIGHTS[combination](problem)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    order = [2, 0, 1]
    moved = WEIGHTS[combination](Problem(problem.kernels[order], problem.has[order], problem.signs, problem.C))
    np.testing.assert_allclose(moved, weights[order], atol=5e-3)


@pytest.mark.parametrize("combination", sorted(set(WEIGHTS) - {"average"}))
def test_an_informative_kernel_outweighs_noise(combination, problem_of):
    informative, noise = WEIGHTS[combination](problem_of([2.0, 0.0], n=60))
    assert informative > 1.5 * noise


@pytest.mark.parametrize("combination", sorted(WEIGHTS))
def test_kernels_of_nothing_give_equal_weights(combination):
    signs = np.array([1.0, -1.0] * 4)
    nothing = Problem(np.zeros((2, 8, 8)), np.ones((2, 8), bool), signs)
    np.testing.assert_allclose(WEIGHTS[combination](nothing), 0.5)


def test_weights_that_are_all_0_become_equal():
    np.testing.assert_array_equal(on_simplex(np.array([0.0, 0.0])), [0.5, 0.5])
    np.testing.assert_array_equal(on_simplex(np.array([3.0, 1.0])), [0.75, 0.25])
