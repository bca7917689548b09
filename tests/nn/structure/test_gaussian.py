"""The Gaussian graph equals scipy's Mahalanobis distance in a Gaussian."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from graphfuse.errors import InvalidOption
from graphfuse.nn.structure.gaussian import GaussianSimilarity


def test_weights_are_a_gaussian_of_the_mahalanobis_distance():
    torch.manual_seed(0)
    x, learner = torch.randn(1, 5, 3, dtype=torch.float64), GaussianSimilarity(3, 4, sigma=1.5).double()
    p = learner.lin.weight.detach().numpy()
    d = cdist(x[0], x[0], "mahalanobis", VI=p.T @ p)
    torch.testing.assert_close(
        learner(x)[0].detach(), torch.as_tensor(np.exp(-(d**2) / (2 * 1.5**2))), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize("wide", [5, 500])
def test_standardised_features_start_at_weights_that_are_neither_0_nor_1(wide):
    torch.manual_seed(0)
    weight = GaussianSimilarity(wide, wide)(torch.randn(1, 60, wide))[0]
    others = weight[~torch.eye(60, dtype=torch.bool)]
    assert 0.2 < float(others.detach().median()) < 0.8


def test_a_width_of_zero_is_refused():
    with pytest.raises(InvalidOption, match="sigma"):
        GaussianSimilarity(3, 4, sigma=0.0)
