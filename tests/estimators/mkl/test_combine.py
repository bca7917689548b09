from __future__ import annotations

import numpy as np

from graphfuse.estimators.mkl.combine import clipped, negative_directions, weighted_mean

RNG = np.random.default_rng(2)
K, N = 3, 14


def kernels() -> tuple[np.ndarray, np.ndarray]:
    X = RNG.normal(size=(K, N, 4))
    has = RNG.random((K, N)) < 0.6
    has[:, 0], has[:, 1] = True, False
    return X @ X.transpose(0, 2, 1), has


def test_each_pair_takes_the_mean_of_what_both_have():
    rows, has = kernels()
    weights = np.array([0.5, 0.2, 0.3])
    mean = weighted_mean(rows, has, has, weights)
    for i in range(N):
        for j in range(N):
            shared = has[:, i] & has[:, j]
            expected = np.average(rows[shared, i, j], weights=weights[shared]) if shared.any() else 0
            assert np.isclose(mean[i, j], expected)


def test_what_stands_in_place_of_a_missing_modality_changes_no_bit():
    rows, has = kernels()
    weights = np.array([0.5, 0.2, 0.3])
    poisoned = np.where(has[:, :, None] & has[:, None], rows, np.nan)
    np.testing.assert_array_equal(weighted_mean(poisoned, has, has, weights), weighted_mean(rows, has, has, weights))


def test_who_shares_only_kernels_of_weight_0_gets_0():
    rows, has = kernels()
    has[:] = False
    has[1] = True
    assert not weighted_mean(rows, has, has, np.array([0.5, 0.0, 0.5])).any()


def test_the_repair_clips_eigenvalues_and_training_rows_follow_the_rule_of_new_rows():
    rows, has = kernels()
    mean = weighted_mean(rows, has, has, np.full(K, 1 / K))
    values, vectors = np.linalg.eigh(mean)
    assert values[0] < -0.1  # there is something to repair
    expected = (vectors * values.clip(0)) @ vectors.T
    negative = negative_directions(mean)
    repaired = clipped(mean, negative)
    np.testing.assert_allclose(repaired, expected, atol=1e-10)
    assert np.linalg.eigvalsh(repaired).min() > -1e-10
    np.testing.assert_allclose(clipped(mean[[3]], negative), expected[[3]], atol=1e-10)


def test_a_kernel_has_nothing_to_repair():
    X = RNG.normal(size=(N, 4))
    assert negative_directions(X @ X.T).shape == (N, 0)
    assert negative_directions(np.zeros((N, N))).shape == (N, 0)
