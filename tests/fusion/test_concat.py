"""ConcatFusion is a linear map of what is there and learned placeholders."""

from __future__ import annotations

import torch

from graphfuse.fusion.concat import ConcatFusion


def test_formula_with_placeholders():
    torch.manual_seed(0)
    fusion = ConcatFusion({"b": 3, "a": 2}, 4)
    for placeholder in fusion.placeholders:
        torch.nn.init.normal_(placeholder)
    a, b = torch.randn(2, 2), torch.randn(2, 3)
    present = {"a": torch.tensor([True, True]), "b": torch.tensor([True, False])}
    z, weights = fusion({"a": a, "b": b}, present)
    rows = torch.stack([torch.cat([a[0], b[0]]), torch.cat([a[1], fusion.placeholders[1]])])
    torch.testing.assert_close(z, rows @ fusion.project.weight.T + fusion.project.bias)
    assert weights is None


def test_a_placeholder_learns_from_those_who_miss_it_alone():
    fusion = ConcatFusion({"a": 2, "b": 3}, 4)
    present = {"a": torch.tensor([True, True]), "b": torch.tensor([True, False])}
    fusion({"a": torch.randn(2, 2), "b": torch.randn(2, 3)}, present)[0].square().sum().backward()
    assert not fusion.placeholders[0].grad.any()
    torch.testing.assert_close(fusion.placeholders[1].grad.shape, torch.Size([3]))
    assert fusion.placeholders[1].grad.any()
