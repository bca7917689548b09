"""Weighted cosines equal a loop over pairs and perspectives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from graphfuse.errors import InvalidOption
from graphfuse.nn.structure.cosine import ProjectedCosine, WeightedCosine


def features():
    torch.manual_seed(0)
    return torch.randn(2, 5, 4, dtype=torch.float64)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.9])
def test_weighted_cosine_is_its_formula(threshold):
    x, learner = features(), WeightedCosine(4, perspectives=3, threshold=threshold).double()
    w = learner.weight.detach().numpy()
    mean = np.mean([cosine_similarity(x[1].numpy() * w[p]) for p in range(3)], 0)
    torch.testing.assert_close(learner(x)[1].detach(), torch.as_tensor(np.where(mean > threshold, mean, 0.0)))


def test_equal_weights_give_the_plain_cosine():
    x, learner = features(), WeightedCosine(4, threshold=0.0).double()
    torch.nn.init.constant_(learner.weight, 0.7)
    expected = torch.as_tensor(cosine_similarity(x[0].numpy())).clamp(min=0)
    torch.testing.assert_close(learner(x)[0].detach(), expected)


def test_projected_cosine_is_its_formula():
    x, learner = features(), ProjectedCosine(4, 3, threshold=0.2).double()
    expected = torch.as_tensor(cosine_similarity((x[0] @ learner.lin.weight.T).detach().numpy()))
    torch.testing.assert_close(learner(x)[0].detach(), torch.where(expected > 0.2, expected, 0.0))


def test_a_pair_below_the_threshold_sends_no_gradient():
    x = features()[:1].requires_grad_()
    weight = ProjectedCosine(4, 3, threshold=0.9).double()(x)[0]
    assert (weight[0, 1:] == 0).any()
    weight[0, 1:][weight[0, 1:] == 0].sum().backward()
    assert not x.grad.any()


@pytest.mark.parametrize("threshold", [-0.1, 1.1])
def test_a_threshold_outside_0_to_1_is_refused(threshold):
    with pytest.raises(InvalidOption, match="threshold"):
        WeightedCosine(4, threshold=threshold)
