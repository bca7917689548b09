"""AddFusion is equation (1), rescaled where something is missing."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.add import AddFusion


@pytest.mark.parametrize(("activation", "f"), [("identity", lambda x: x), ("relu", torch.relu), ("tanh", torch.tanh)])
def test_formula(activation, f):
    torch.manual_seed(0)
    fusion = AddFusion({"b": 3, "a": 2}, 4, activation)
    a, b = torch.randn(3, 2), torch.randn(3, 3)
    present = {"a": torch.tensor([True, True, False]), "b": torch.tensor([True, False, True])}
    z, weights = fusion({"a": a, "b": b}, present)
    w_a, w_b = (project.weight for project in fusion.project)
    wanted = torch.stack([w_a @ a[0] + w_b @ b[0], 2 * (w_a @ a[1]), 2 * (w_b @ b[2])])
    torch.testing.assert_close(z, f(wanted))
    assert weights is None


def test_unknown_activation():
    with pytest.raises(InvalidOption, match="relu"):
        AddFusion({"a": 2}, 4, "rleu")
