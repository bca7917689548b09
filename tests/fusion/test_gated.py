"""GatedFusion is the gated multimodal unit."""

from __future__ import annotations

import pytest
import torch

from graphfuse.fusion.gated import GatedFusion


def problem(widths):
    torch.manual_seed(0)
    fusion = GatedFusion(widths, 4)
    values = {name: torch.randn(3, width) for name, width in widths.items()}
    present = {name: torch.ones(3, dtype=torch.bool) for name in widths}
    hidden = [project(values[n]).tanh() for project, n in zip(fusion.project, sorted(widths), strict=True)]
    return fusion, values, present, hidden


def test_two_modalities_share_one_gate():
    fusion, values, present, (h_a, h_b) = problem({"b": 3, "a": 2})
    g = fusion.gate(torch.cat([values["a"], values["b"]], 1)).sigmoid()
    z, weights = fusion(values, present)
    torch.testing.assert_close(z, g * h_a + (1 - g) * h_b)
    torch.testing.assert_close(weights, torch.stack([g.mean(1), 1 - g.mean(1)], 1))


def test_three_modalities_have_a_gate_each():
    fusion, values, present, hidden = problem({"a": 2, "b": 3, "c": 2})
    gates = fusion.gate(torch.cat([values[n] for n in "abc"], 1)).sigmoid().view(3, 3, 4)
    z, weights = fusion(values, present)
    torch.testing.assert_close(z, sum(gates[:, m] * hidden[m] for m in range(3)))
    torch.testing.assert_close(weights.sum(1), torch.ones(3))


@pytest.mark.parametrize("widths", [{"a": 2, "b": 3}, {"a": 2, "b": 3, "c": 2}])
def test_gates_of_the_missing_go_to_the_present(widths):
    fusion, values, present, hidden = problem(widths)
    present["b"][1] = False
    rows = torch.cat([torch.where(present[n][:, None], values[n], 0.0) for n in sorted(widths)], 1)
    logit = fusion.gate(rows).view(3, -1, 4)
    gates = (torch.cat([logit, -logit], 1) if len(widths) == 2 else logit).sigmoid()[1]
    mask = torch.tensor([n != "b" for n in sorted(widths)])[:, None]
    gates = gates * mask * gates.sum(0) / (gates * mask).sum(0)
    z, weights = fusion(values, present)
    torch.testing.assert_close(z[1], sum(gates[m] * hidden[m][1] for m in range(len(widths))))
    assert weights[1, 1] == 0
    if len(widths) == 2:
        torch.testing.assert_close(z[1], hidden[0][1])


@pytest.mark.parametrize("widths", [{"a": 2, "b": 3}, {"a": 2, "b": 3, "c": 2}])
def test_shut_gates_are_no_nan(widths):
    fusion, values, present, _ = problem(widths)
    with torch.no_grad():
        fusion.gate.bias.fill_(-200.0)  # g_a underflows to 0 in float32
    present["b"][0] = False
    z, weights = fusion(values, present)
    z.sum().backward()
    assert torch.isfinite(z).all()
    assert torch.isfinite(weights).all()
    assert all(torch.isfinite(p.grad).all() for p in fusion.parameters())
