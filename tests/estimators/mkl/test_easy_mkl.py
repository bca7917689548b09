from __future__ import annotations

import numpy as np
import pytest

from graphfuse.estimators.mkl.easy_mkl import easy_weights
from graphfuse.estimators.mkl.hulls import margin_distributions


@pytest.mark.parametrize("lam", [0.1, 0.7])
def test_weights_are_shares_of_what_each_kernel_adds_to_the_squared_margin(lam, problem_of):
    problem = problem_of([0.9, 0.2, 0.0])
    g = margin_distributions(problem.kernels.sum(0), problem.signs, lam)
    added = np.array([(problem.signs * g) @ K @ (problem.signs * g) for K in problem.kernels])
    np.testing.assert_allclose(easy_weights(problem, lam), added / added.sum(), rtol=1e-9)


def test_with_lam_1_weights_are_squared_distances_of_the_class_means(problem_of):
    """Then g is uniform in each class, and ``(y g)^T K (y g) = |mean_1 - mean_-1|^2`` in the space of the kernel."""
    problem = problem_of([0.9, 0.2])
    y = problem.signs
    rows = [np.linalg.eigh(K) for K in problem.kernels]
    phi = [vectors * np.sqrt(values.clip(0)) for values, vectors in rows]
    distances = np.array([np.square(x[y > 0].mean(0) - x[y < 0].mean(0)).sum() for x in phi])
    np.testing.assert_allclose(easy_weights(problem, 1.0), distances / distances.sum(), rtol=1e-8)
