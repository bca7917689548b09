from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import rbf_kernel

from graphfuse.estimators.mkl.similarity import (
    common_labels,
    gaussian,
    inner,
    median_distance,
    ones,
    repeats,
    squared_length,
)

RNG = np.random.default_rng(0)
X, Z = RNG.normal(size=(7, 5)), RNG.normal(size=(9, 5))


def test_the_gaussian_is_that_of_scikit_learn_with_gamma_of_half_a_squared_width():
    np.testing.assert_allclose(gaussian(X, Z, 1.7), rbf_kernel(X, Z, gamma=1 / (2 * 1.7**2)), atol=1e-12)
    np.testing.assert_allclose(np.diag(gaussian(X, X, 1.7)), ones(X), atol=1e-12)


def test_the_width_is_the_median_distance_of_two_people():
    assert median_distance(X) == pytest.approx(np.median(pdist(X)))
    assert median_distance(np.ones((4, 3))) == 1
    assert median_distance(X[:1]) == 1


def test_a_linear_kernel_and_its_diagonal():
    np.testing.assert_allclose(inner(X, Z), [[x @ z for z in Z] for x in X])
    np.testing.assert_allclose(squared_length(X), np.diag(inner(X, X)))


def test_common_labels_multiply_counts_and_label_0_is_none():
    labels = np.array([[1, 1, 2, 0], [3, 2, 2, 0]])
    others = np.array([[2, 1, 9, 0]])
    np.testing.assert_array_equal(common_labels(labels, others), [[2 * 1 + 1 * 1], [2 * 1]])
    np.testing.assert_array_equal(repeats(labels), np.diag(common_labels(labels, labels)))
    np.testing.assert_array_equal(repeats(labels), [5, 5])
