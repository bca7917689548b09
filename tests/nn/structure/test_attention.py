"""The attention graph equals torch's own attention."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention

from graphfuse.nn.structure.attention import AttentionSimilarity


def test_weights_are_the_mean_of_torchs_attention_over_heads():
    torch.manual_seed(0)
    x, learner = torch.randn(2, 5, 4, dtype=torch.float64), AttentionSimilarity(4, 3, heads=2).double()
    candidates = torch.rand(2, 5, 5) < 0.7
    candidates |= torch.eye(5, dtype=torch.bool)
    q, k = (lin(x).view(2, 5, 2, 3).transpose(1, 2) for lin in (learner.lin_query, learner.lin_key))
    v = torch.eye(5, dtype=torch.float64).expand(2, 2, 5, 5)  # the values read the weights off
    expected = scaled_dot_product_attention(q, k, v, attn_mask=candidates[:, None]).mean(1)
    torch.testing.assert_close(learner(x, candidates), expected)


def test_rows_sum_to_one():
    learner = AttentionSimilarity(4, 3, heads=2)
    torch.testing.assert_close(learner(torch.randn(2, 5, 4)).sum(2), torch.ones(2, 5))
