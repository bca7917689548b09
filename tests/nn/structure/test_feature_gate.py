"""Gates multiply features, and their penalty closes them."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.nn.structure.feature_gate import FeatureGate


def test_a_gate_is_a_sigmoid_of_its_heated_logit():
    gate = FeatureGate(3, temperature=0.5)
    gate.logit.data = torch.tensor([-1.0, 0.0, 2.0])
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(gate(x), x / (1 + torch.exp(-2 * gate.logit)))
    torch.testing.assert_close(gate.l1(), gate.gates().abs().sum())


def test_gates_start_half_open():
    assert torch.equal(FeatureGate(3)(torch.ones(1, 3)), torch.full((1, 3), 0.5))


def test_features_of_a_group_share_a_gate():
    gate = FeatureGate(4, groups=[0, 1, 0, 1])
    gate.logit.data = torch.tensor([100.0, -100.0])
    assert gate(torch.ones(4)).tolist() == pytest.approx([1, 0, 1, 0])
    gate = FeatureGate(4, groups=torch.tensor([0, 1, 0, 1]))
    gate(torch.ones(4)).sum().backward()
    assert gate.logit.grad.tolist() == [0.5, 0.5]  # two features of slope 1/4 each


def test_the_penalty_closes_the_gates_of_noise_and_not_those_of_the_signal():
    torch.manual_seed(0)
    gate, x = FeatureGate(4), torch.randn(200, 4)
    optimiser = torch.optim.Adam(gate.parameters(), lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        ((gate(x).sum(1) - x[:, 0]).square().mean() + 0.1 * gate.l1()).backward()
        optimiser.step()
    gates = gate.gates()
    assert gates[0] > 0.9
    assert (gates[1:] < 0.1).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeMismatch, match="x must have shape"):
        FeatureGate(3)(torch.ones(2, 4))
    with pytest.raises(NonFinite):
        FeatureGate(3)(torch.tensor([1.0, torch.inf, 0.0]))
    with pytest.raises(InvalidOption, match="temperature"):
        FeatureGate(3, temperature=0.0)
    with pytest.raises(InvalidOption, match="groups"):
        FeatureGate(2, groups=[-1, 0])
