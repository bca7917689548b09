"""JointFusion: one transformer over everything, read by a class token."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.joint import JointFusion


def problem(layers=2):
    torch.manual_seed(0)
    fusion = JointFusion({"b": 4, "a": 5}, 8, heads=2, layers=layers)
    tokens = {"a": torch.randn(3, 2, 5), "b": torch.randn(3, 3, 4)}
    return fusion, tokens, {name: torch.ones(3, dtype=torch.bool) for name in tokens}


def test_all_tokens_pass_through_the_same_blocks_behind_a_class_token():
    fusion, tokens, present = problem()
    fused, _ = fusion(tokens, present)
    parts = [tokens[n] @ fusion.enter.project[m].weight.T + fusion.enter.kind[m] for m, n in enumerate("ab")]
    x = torch.cat([fusion.class_token.expand(3, 1, 8), *parts], 1)
    every = torch.ones(3, 6, dtype=torch.bool)
    for block in fusion.layers:
        x, _ = block(x, x, every, every)
    assert list(fused) == ["[class]", "a", "b"]
    torch.testing.assert_close(torch.cat(list(fused.values()), 1), x)


def test_every_token_sees_every_token():
    fusion, tokens, present = problem()
    _, maps = fusion(tokens, present)
    assert [map_.weights.shape for map_ in maps] == 2 * [(3, 2, 6, 6)]
    assert all((map_.weights > 0).all() for map_ in maps)


def test_the_class_token_hears_what_is_there_alone():
    fusion, tokens, present = problem()
    present["b"] = torch.tensor([True, False, True])
    fused, maps = fusion(tokens, present)
    changed, _ = fusion({**tokens, "b": tokens["b"] + 1}, present)
    same = (fused["[class]"] == changed["[class]"]).flatten(1).all(1)
    assert same.tolist() == [False, True, False]
    assert not maps[0].block("[class]", "b")[1].any()


def test_without_type_embeddings_two_modalities_of_one_projection_are_one():
    """The type embedding is what tells them apart: with it equal, swapping tokens between modalities swaps outputs."""
    torch.manual_seed(0)
    fusion = JointFusion({"a": 4, "b": 4}, 8)
    with torch.no_grad():
        fusion.enter.project[1].weight.copy_(fusion.enter.project[0].weight)
    a, b = torch.randn(2, 3, 2, 4)
    present = {name: torch.ones(3, dtype=torch.bool) for name in "ab"}

    def swapped_equal():
        one, two = fusion({"a": a, "b": b}, present)[0], fusion({"a": b, "b": a}, present)[0]
        return torch.allclose(one["a"], two["b"], atol=1e-5)

    assert not swapped_equal()
    with torch.no_grad():
        fusion.enter.kind[1] = fusion.enter.kind[0]
    assert swapped_equal()


def test_no_layers_are_refused():
    with pytest.raises(InvalidOption, match="layers"):
        problem(layers=0)
