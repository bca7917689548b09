"""AddFusion is equation (1), rescaled where something is missing."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.add import AddFusion


def problem():
    torch.manual_seed(0)
    present = {"a": torch.tensor([True, True, False]), "b": torch.tensor([True, False, True])}
    return {"a": torch.randn(3, 2), "b": torch.randn(3, 3)}, present


@pytest.mark.parametrize(("activation", "f"), [("identity", lambda x: x), ("relu", torch.relu), ("tanh", torch.tanh)])
@pytest.mark.parametrize(("scale", "factor"), [("sum", 1.0), ("mean", 0.5)])
def test_formula(activation, f, scale, factor):
    values, present = problem()
    fusion = AddFusion({"b": 3, "a": 2}, 4, activation, scale=scale)
    z, weights = fusion(values, present)
    (a, b), (w_a, w_b) = values.values(), (project.weight for project in fusion.project)
    wanted = torch.stack([w_a @ a[0] + w_b @ b[0], 2 * (w_a @ a[1]), 2 * (w_b @ b[2])])
    torch.testing.assert_close(z, f(factor * wanted))
    assert weights is None


def test_learned_gates_start_as_equal_ones():
    values, present = problem()
    torch.manual_seed(1)
    equal = AddFusion({"a": 2, "b": 3}, 4)
    torch.manual_seed(1)
    learned = AddFusion({"a": 2, "b": 3}, 4, gates="learned")
    z, weights = learned(values, present)
    torch.testing.assert_close(z, equal(values, present)[0])
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]))


def test_learned_gates_weigh_the_modalities():
    values, present = problem()
    fusion = AddFusion({"a": 2, "b": 3}, 4, gates="learned")
    with torch.no_grad():
        fusion.gates.copy_(torch.tensor([0.0, 3.0]).log1p())  # softmax: 1/5, 4/5
    z, weights = fusion(values, present)
    w_a, w_b = (project.weight for project in fusion.project)
    torch.testing.assert_close(z[0], 2 * (0.2 * w_a @ values["a"][0] + 0.8 * w_b @ values["b"][0]))
    torch.testing.assert_close(z[1], 2 * w_a @ values["a"][1])
    torch.testing.assert_close(weights[0], torch.tensor([0.2, 0.8]))
    z.square().sum().backward()
    assert fusion.gates.grad.any()


def test_a_shared_weight_is_one_matrix():
    torch.manual_seed(0)
    fusion = AddFusion({"a": 3, "b": 3}, 4, shared_weight=True)
    values = {"a": torch.randn(2, 3), "b": torch.randn(2, 3)}
    z, _ = fusion(values, dict.fromkeys(values, torch.ones(2, dtype=torch.bool)))
    (weight,) = fusion.parameters()
    torch.testing.assert_close(z, (values["a"] + values["b"]) @ weight.T)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"activation": "rleu"}, "relu"),
        ({"scale": "max"}, "mean"),
        ({"gates": "lerned"}, "learned"),
        ({"shared_weight": True}, r"one width; got widths \[2, 3\]"),
    ],
)
def test_options_are_checked(options, match):
    with pytest.raises(InvalidOption, match=match):
        AddFusion({"a": 2, "b": 3}, 4, **options)
