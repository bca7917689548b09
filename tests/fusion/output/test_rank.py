"""Weights by place."""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import rankdata

from graphfuse.fusion.output.rank import rank


def test_weights_are_rank_sums():
    p = torch.eye(4, dtype=torch.float64)[None]  # the answer is the weights
    area = np.array([0.6, 0.9, 0.7, 0.55])
    fused = rank(p, torch.ones(1, 4, dtype=torch.bool), area=area)
    np.testing.assert_allclose(fused[0], rankdata(area) / 10, rtol=1e-12)


def test_ties_share_a_place_and_the_missing_have_none():
    p = torch.eye(4, dtype=torch.float64)[None]
    present = torch.tensor([[True, True, False, True]])
    fused = rank(p, present, area=(0.6, 0.6, 0.99, 0.5))
    np.testing.assert_allclose(fused[0], np.array([2.5, 2.5, 0, 1]) / 6, rtol=1e-12)


def test_only_the_order_counts():
    p = torch.eye(3)[None]
    present = torch.ones(1, 3, dtype=torch.bool)
    assert torch.equal(rank(p, present, area=(0.5, 0.6, 0.7)), rank(p, present, area=(0.1, 0.8, 0.81)))
