from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import SVC

from graphfuse.errors import InvalidOption
from graphfuse.estimators.mkl.bank import Kernels
from graphfuse.estimators.mkl.combine import clipped, negative_directions, weighted_mean
from graphfuse.estimators.mkl.machines import fit_machines, score


def kernels_of(problem) -> Kernels:
    return Kernels(problem.kernels, problem.has)


def test_one_kernel_is_a_plain_support_vector_machine(problem_of):
    problem = problem_of([0.6])
    codes = (problem.signs > 0).astype(int)
    for combination in ("average", "cka", "easy", "lp", "simple"):
        machines = fit_machines(kernels_of(problem), codes, combination)
        np.testing.assert_array_equal(machines.weights, [[1.0], [1.0]])
        plain = SVC(kernel="precomputed", tol=1e-5).fit(problem.kernels[0], codes)
        scores = score(machines, kernels_of(problem), problem.has)
        np.testing.assert_allclose(scores[:, 1], plain.decision_function(problem.kernels[0]), atol=1e-3)
        np.testing.assert_array_equal(scores[:, 0], -scores[:, 1])


def test_three_classes_have_a_machine_and_weights_each(problem_of):
    problem = problem_of([0.6, 0.3])
    codes = np.arange(40) % 3
    machines = fit_machines(kernels_of(problem), codes, "cka")
    assert machines.weights.shape == (3, 2)
    assert len(np.unique(machines.weights[:, 0])) == 3
    scores = score(machines, kernels_of(problem), problem.has)
    for c in range(3):
        K = np.tensordot(machines.weights[c], problem.kernels, 1)
        plain = SVC(kernel="precomputed", tol=1e-5).fit(K, codes == c)
        np.testing.assert_allclose(scores[:, c], plain.decision_function(K), atol=1e-3)


def test_with_gaps_the_machine_is_that_of_the_repaired_kernel(problem_of):
    kernels, has, signs, _ = problem_of([0.6, 0.3, 0.4])
    has = np.random.default_rng(0).random(has.shape) < 0.6
    kernels = np.where(has[:, :, None] & has[:, None], kernels, 0)
    codes = (signs > 0).astype(int)
    machines = fit_machines(Kernels(kernels, has), codes)
    mean = weighted_mean(kernels, has, has, machines.weights[0])
    assert np.linalg.eigvalsh(mean)[0] < -0.01
    repaired = clipped(mean, negative_directions(mean))
    plain = SVC(kernel="precomputed", tol=1e-5).fit(repaired, codes)
    scores = score(machines, Kernels(kernels[:, :5], has[:, :5]), has)
    np.testing.assert_allclose(scores[:, 1], plain.decision_function(repaired[:5]), atol=1e-3)


def test_another_combination_or_option_is_refused(problem_of):
    kernels, codes = kernels_of(problem_of([0.5])), np.arange(40) % 2
    with pytest.raises(InvalidOption, match="combination"):
        fit_machines(kernels, codes, "sum")
    with pytest.raises(InvalidOption, match=r"easy.*lam.*'p'"):
        fit_machines(kernels, codes, "easy", options={"p": 2.0})
    with pytest.raises(InvalidOption, match="no options"):
        fit_machines(kernels, codes, options={"lam": 0.2})
