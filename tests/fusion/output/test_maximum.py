"""The loudest opinion counts."""

from __future__ import annotations

import torch

from graphfuse.fusion.output.maximum import maximum


def test_the_maximum_over_modalities_is_renormalised():
    p = torch.tensor([[[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]])
    expected = torch.tensor([[0.6, 0.3, 0.7]]) / 1.6
    torch.testing.assert_close(maximum(p, torch.ones(1, 2, dtype=torch.bool)), expected)
    torch.testing.assert_close(maximum(p, torch.tensor([[True, False]])), p[:, 0])
