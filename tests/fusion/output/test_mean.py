"""The mean of probabilities, and that of logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import gmean

from graphfuse.errors import InvalidOption
from graphfuse.fusion.output.mean import mean

P = torch.tensor([[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], [[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]], dtype=torch.float64)
PRESENT = torch.tensor([[True, True, True], [True, True, False]])


def test_it_is_the_mean_over_who_is_there():
    expected = np.stack([P[0].mean(0), P[1, :2].mean(0)])
    np.testing.assert_allclose(mean(P, PRESENT), expected, rtol=1e-12)


def test_the_mean_of_logits_is_the_geometric_mean():
    expected = np.stack([gmean(P[0], axis=0), gmean(P[1, :2], axis=0)])
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(mean(P, PRESENT, space="logit"), expected, rtol=1e-12)


def test_one_certain_model_moves_the_logit_mean_more():
    p = torch.tensor([[[1.0, 0.0], [0.3, 0.7]]])
    both = torch.ones(1, 2, dtype=torch.bool)
    assert mean(p, both, space="logit")[0, 0] > 0.99 > mean(p, both)[0, 0]


def test_an_unknown_space_is_refused():
    with pytest.raises(InvalidOption, match="Did you mean 'logit'"):
        mean(P, PRESENT, space="logits")
