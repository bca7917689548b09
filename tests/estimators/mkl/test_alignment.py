from __future__ import annotations

import numpy as np
import pytest

from graphfuse.estimators.mkl.alignment import alignment, alignment_weights
from graphfuse.estimators.mkl.problem import Problem


def test_alignment_is_its_closed_form(problem_of):
    problem = problem_of([0.5])
    K, y = problem.kernels[0] + 2.0, problem.signs
    H = np.eye(40) - 1 / 40
    labels = np.outer(y, y)
    expected = np.sum(H @ K @ H * labels) / np.linalg.norm(H @ K @ H) / np.linalg.norm(H @ labels @ H)
    assert alignment(K, y) == pytest.approx(expected)
    assert alignment(3 * K + 1, y) == pytest.approx(expected)


def test_the_kernel_of_the_labels_is_aligned_with_itself():
    y = np.array([1.0, 1.0, 1.0, -1.0, -1.0])
    assert alignment(np.outer(y, y), y) == pytest.approx(1)
    assert alignment(np.ones((5, 5)), y) == 0
    assert alignment(np.outer(y, y), np.ones(5)) == 0
    assert alignment(np.zeros((0, 0)), np.zeros(0)) == 0


def test_weights_are_shares_of_the_alignment_among_who_has_the_modality(problem_of):
    kernels, has, y, _ = problem_of([0.5, 1.0])
    has = has.copy()
    has[1, ::5] = False
    some = has[1]
    areas = np.array([alignment(kernels[0], y), alignment(kernels[1][np.ix_(some, some)], y[some])])
    np.testing.assert_allclose(alignment_weights(Problem(kernels, has, y)), areas / areas.sum())
    poisoned = np.where(has[:, :, None] & has[:, None], kernels, np.nan)
    np.testing.assert_array_equal(
        alignment_weights(Problem(poisoned, has, y)), alignment_weights(Problem(kernels, has, y))
    )


def test_a_kernel_against_the_labels_gets_no_weight():
    y = np.array([1.0, -1.0] * 3)
    against = np.eye(6) - np.outer(y, y) / 6  # spans everything but the labels
    with_them = np.outer(y, y)
    np.testing.assert_allclose(
        alignment_weights(Problem(np.stack([against, with_them]), np.ones((2, 6), bool), y)), [0, 1], atol=1e-12
    )
