"""AttentionFusion is the attention of AM-GCN over modalities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax

from graphfuse.errors import InvalidOption
from graphfuse.fusion.attention import AttentionFusion

WIDTHS = {"b": 3, "a": 2, "c": 4}


def test_formula():
    torch.manual_seed(0)
    fusion = AttentionFusion(WIDTHS, 5, hidden=6)
    values = {name: torch.randn(2, width) for name, width in WIDTHS.items()}
    present = {name: torch.ones(2, dtype=torch.bool) for name in WIDTHS}
    present["b"][1] = False
    z, weights = fusion(values, present)
    w, b, q = (parameter.detach().numpy() for parameter in fusion.score.parameters())
    for i, names in enumerate(["abc", "ac"]):
        h = np.stack([fusion.project["abc".index(n)](values[n][i]).detach().numpy() for n in names])
        beta = softmax([q[0] @ np.tanh(w @ row + b) for row in h])
        np.testing.assert_allclose(z[i].detach(), beta @ h, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(weights[i, ["abc".index(n) for n in names]], beta, rtol=1e-5)
    assert weights[1, 1] == 0


def test_equal_modalities_get_equal_weights():
    fusion = AttentionFusion({"a": 2, "b": 2}, 5)
    fusion.project[1].load_state_dict(fusion.project[0].state_dict())
    v = torch.randn(3, 2)
    z, weights = fusion({"a": v, "b": v}, dict.fromkeys("ab", torch.ones(3, dtype=torch.bool)))
    torch.testing.assert_close(weights, torch.full((3, 2), 0.5))
    torch.testing.assert_close(z, fusion.project[0](v))


def test_hidden_is_checked():
    with pytest.raises(InvalidOption, match="hidden"):
        AttentionFusion(WIDTHS, 5, hidden=0)
