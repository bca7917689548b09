from __future__ import annotations

import numpy as np
import pytest
import sklearn.covariance
import torch

from graphfuse.connectome.shrinkage import ESTIMATORS, empirical, ledoit_wolf


@pytest.mark.parametrize("shape", [(3, 12, 30), (2, 50, 8), (4, 200, 1), (2, 2, 5)])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_ledoit_wolf_equals_sklearn(shape, scale):
    mixing = np.random.default_rng(1).normal(size=(shape[2], shape[2]))
    x = scale * (np.random.default_rng(0).normal(size=shape) @ mixing + 3)
    covariance, shrinkage = ledoit_wolf(torch.from_numpy(x))
    for i in range(len(x)):
        expected, s = sklearn.covariance.ledoit_wolf(x[i])
        np.testing.assert_allclose(covariance[i], expected, rtol=1e-10, atol=1e-10 * scale**2)
        assert float(shrinkage[i]) == pytest.approx(s, abs=1e-10)


def test_empirical_equals_sklearn():
    x = np.random.default_rng(0).normal(size=(3, 20, 6)) + 5
    covariance, shrinkage = empirical(torch.from_numpy(x))
    expected = [sklearn.covariance.empirical_covariance(subject) for subject in x]
    np.testing.assert_allclose(covariance, expected, atol=1e-12)
    assert not shrinkage.any()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_mask_is_the_estimate_of_the_usable_block(name):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 20, 6)))
    keep = torch.tensor([True, False, True, True, False, True])
    covariance, shrinkage = ESTIMATORS[name](x, keep[None])
    block, alone = ESTIMATORS[name](x[:, :, keep])
    torch.testing.assert_close(covariance[:, keep][:, :, keep], block)
    torch.testing.assert_close(shrinkage, alone)
    assert not covariance[:, ~keep].any()


def test_fourth_powers_do_not_overflow_float32():
    x = torch.randn(1, 20, 6, generator=torch.Generator().manual_seed(0))
    _, expected = ledoit_wolf(x)
    _, shrinkage = ledoit_wolf(x * 1e12)
    torch.testing.assert_close(shrinkage, expected)
