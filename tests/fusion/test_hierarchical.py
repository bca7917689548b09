"""HierarchicalFusion: a fusion at each depth and a trunk through them."""

from __future__ import annotations

import functools

import pytest
import torch
from torch.nn.functional import log_softmax

from graphfuse.errors import InvalidOption, MissingModality, NonFinite, ShapeMismatch
from graphfuse.fusion import AddFusion, GatedFusion
from graphfuse.fusion.hierarchical import HierarchicalFusion, deep_supervision_loss

WIDTHS = [{"b": 3, "a": 2}, {"b": 4, "a": 5}, {"b": 2, "a": 2}]
PRESENT = {"a": torch.tensor([True, True, False]), "b": torch.tensor([True, False, True])}


def problem(**options):
    torch.manual_seed(0)
    fusion = HierarchicalFusion(WIDTHS, 6, **options)
    return fusion, [{name: torch.randn(3, width) for name, width in widths.items()} for widths in WIDTHS]


def test_the_trunk_is_the_recursion():
    fusion, levels = problem(fusion="add")
    u, steps = fusion(levels, PRESENT)
    trunk = torch.zeros(3, 6)
    for op, block, z, step in zip(fusion.fusions, fusion.blocks, levels, steps, strict=True):
        f = op(z, PRESENT)[0]
        trunk = (torch.cat([trunk, f], 1) @ block.weight.T + block.bias).relu()
        torch.testing.assert_close(step.u, trunk)
        assert step.messages == {}
    assert u is steps[-1].u


def test_weights_of_every_level_come_out():
    fusion, levels = problem()
    _, steps = fusion(levels, PRESENT)
    assert all(torch.equal(step.weights[1], torch.tensor([1.0, 0.0])) for step in steps)


def test_branches_hear_the_level_before():
    fusion, levels = problem(bidirectional=True)
    _, steps = fusion(levels, PRESENT)
    f = fusion.fusions[0](levels[0], PRESENT)[0]
    second = {n: levels[1][n] + f @ fusion.back[0][m].weight.T for m, n in enumerate("ab")}
    torch.testing.assert_close(steps[1].u, fusion.step(1, second, PRESENT, steps[0].u).u)
    assert not torch.allclose(steps[1].u, fusion.step(1, levels[1], PRESENT, steps[0].u).u)
    assert steps[-1].messages == {}


def test_encoders_can_be_run_level_by_level():
    fusion, levels = problem(bidirectional=True)
    whole, _ = fusion(levels, PRESENT)
    u, heard = None, levels[0]
    for level in range(3):
        step = fusion.step(level, heard, PRESENT, u)
        u = step.u
        if level < 2:
            heard = {name: levels[level + 1][name] + step.messages[name] for name in heard}
    assert torch.equal(u, whole)


def test_missing_values_change_no_bit_of_output_or_gradient():
    fusion, levels = problem(bidirectional=True)
    results = []
    for fill in (0.0, 3.0, torch.nan, torch.inf, -torch.inf):
        filled = [
            {n: torch.where(PRESENT[n][:, None], z, fill).requires_grad_() for n, z in level.items()}
            for level in levels
        ]
        fusion.zero_grad()
        u, steps = fusion(filled, PRESENT)
        sum(step.u.square().sum() for step in steps).backward()
        gradients = [z.grad for level in filled for z in level.values()] + [p.grad.clone() for p in fusion.parameters()]
        results.append([u.detach(), *gradients])
    assert all(torch.isfinite(tensor).all() for tensor in results[0])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_gradients_reach_every_parameter_from_the_last_level_alone():
    fusion, levels = problem(bidirectional=True)
    u, _ = fusion(levels, PRESENT)
    u.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 1e-6 for p in fusion.parameters())


def test_each_level_may_have_a_fusion_of_its_own():
    fusion, levels = problem(fusion=["add", functools.partial(AddFusion, activation="tanh"), GatedFusion])
    assert [type(op) for op in fusion.fusions] == [AddFusion, AddFusion, GatedFusion]
    assert fusion(levels, PRESENT)[0].shape == (3, 6)


def test_errors_at_the_door():
    fusion, levels = problem()
    with pytest.raises(ShapeMismatch, match="3 levels; got 2"):
        fusion(levels[:2], PRESENT)
    with pytest.raises(MissingModality, match="needs the modalities"):
        fusion([{"a": level["a"]} for level in levels], PRESENT)
    with pytest.raises(InvalidOption, match="got 2 for 3 levels"):
        problem(fusion=["add", "add"])
    with pytest.raises(InvalidOption, match="one dict a level"):
        HierarchicalFusion([{"a": 2}, {"b": 2}], 6)
    with pytest.raises(InvalidOption, match="one dict a level"):
        HierarchicalFusion([], 6)


def test_the_loss_weighs_every_head_but_the_last():
    torch.manual_seed(0)
    logits, y = torch.randn(3, 4, 2), torch.tensor([0, 1, 1, 0])
    terms = [-log_softmax(scores, 1)[torch.arange(4), y].mean() for scores in logits]
    torch.testing.assert_close(deep_supervision_loss(list(logits), y), 0.3 * terms[0] + 0.3 * terms[1] + terms[2])
    torch.testing.assert_close(deep_supervision_loss(list(logits), y, weight=0.0), terms[2])
    torch.testing.assert_close(deep_supervision_loss([logits[0]], y), terms[0])
    with pytest.raises(InvalidOption, match="weight"):
        deep_supervision_loss(list(logits), y, weight=-1.0)
    with pytest.raises(InvalidOption, match="heads"):
        deep_supervision_loss([], y)
    with pytest.raises(NonFinite, match="logits"):
        deep_supervision_loss([logits[0] * torch.nan], y)
