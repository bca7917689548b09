"""SqueezeFusion gates each modality by what all of them are on average."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.squeeze import SqueezeFusion

WIDTHS = {"b": 3, "a": 2, "c": 4}


def problem():
    torch.manual_seed(0)
    fusion = SqueezeFusion(WIDTHS, 5, hidden=6)
    values = {name: torch.randn(2, width) for name, width in WIDTHS.items()}
    hidden = torch.stack([project(values[n]) for project, n in zip(fusion.project, "abc", strict=True)], 1)
    present = {name: torch.ones(2, dtype=torch.bool) for name in WIDTHS}
    present["b"][1] = False
    return fusion, values, present, hidden


def gates(fusion, squeezed):
    first, _, second = fusion.gate
    return (second.weight @ (first.weight @ squeezed + first.bias).relu() + second.bias).sigmoid()


def test_formula():
    fusion, values, present, hidden = problem()
    z, weights = fusion(values, present)
    y = gates(fusion, hidden[0].mean(1))
    torch.testing.assert_close(z[0], (y[:, None] * hidden[0]).sum(0) / y.sum())
    torch.testing.assert_close(weights[0], (y / y.sum()).detach())


def test_a_missing_modality_enters_neither_the_gates_nor_the_sums():
    fusion, values, present, hidden = problem()
    z, weights = fusion(values, present)
    y = gates(fusion, hidden[1].mean(1) * torch.tensor([1.0, 0.0, 1.0]))[[0, 2]]
    torch.testing.assert_close(z[1], (y[:, None] * hidden[1, [0, 2]]).sum(0) / y.sum())
    assert weights[1, 1] == 0


def test_shut_gates_are_no_nan():
    fusion, values, present, hidden = problem()
    with torch.no_grad():
        fusion.gate[2].weight.zero_()
        fusion.gate[2].bias.fill_(-200.0)  # y underflows to 0 in float32
    z, weights = fusion(values, present)
    torch.testing.assert_close(z[0], hidden[0].mean(0))
    torch.testing.assert_close(weights[1], torch.tensor([0.5, 0.0, 0.5]))


def test_hidden_is_checked():
    with pytest.raises(InvalidOption, match="hidden"):
        SqueezeFusion(WIDTHS, 5, hidden=0)
