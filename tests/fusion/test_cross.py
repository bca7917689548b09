"""CrossFusion: a modality asks, all the others answer."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.cross import CrossFusion

WIDTHS, COUNTS = {"c": 3, "a": 5, "b": 4}, {"a": 2, "b": 3, "c": 4}


def problem(**options):
    torch.manual_seed(0)
    fusion = CrossFusion(WIDTHS, 8, heads=2, **options)
    tokens = {name: torch.randn(3, COUNTS[name], width) for name, width in WIDTHS.items()}
    return fusion, tokens, {name: torch.ones(3, dtype=torch.bool) for name in tokens}


def projected(fusion, tokens):
    return {n: tokens[n] @ fusion.enter.project[m].weight.T + fusion.enter.kind[m] for m, n in enumerate("abc")}


def everybody(x):
    return torch.ones(x.shape[:2], dtype=torch.bool)


def test_queries_are_of_one_keys_of_all_others_and_a_layer_updates_all_at_once():
    fusion, tokens, present = problem(layers=2)
    fused, maps = fusion(tokens, present)
    x = projected(fusion, tokens)
    for blocks in fusion.layers:
        context = {n: torch.cat([x[other] for other in "abc" if other != n], 1) for n in "abc"}
        x = {n: blocks[m](x[n], context[n], everybody(x[n]), everybody(context[n]))[0] for m, n in enumerate("abc")}
    for n in "abc":
        torch.testing.assert_close(fused[n], x[n])
    assert [(*map_.queries, *map_.keys) for map_ in maps] == 2 * [("a", "b", "c"), ("b", "a", "c"), ("c", "a", "b")]
    assert maps[0].weights.shape == (3, 2, 2, 7)


def test_only_the_dominant_modality_asks():
    fusion, tokens, present = problem(layers=2, dominant="b")
    fused, maps = fusion(tokens, present)
    x = projected(fusion, tokens)
    assert torch.equal(fused["a"], x["a"])
    assert torch.equal(fused["c"], x["c"])
    assert [list(map_.queries) for map_ in maps] == [["b"], ["b"]]
    other, _ = fusion({**tokens, "a": torch.randn(3, 2, 5)}, present)
    assert not torch.allclose(other["b"], fused["b"])


def test_who_lacks_the_dominant_modality_keeps_the_others():
    fusion, tokens, present = problem(dominant="b")
    present["b"] = torch.tensor([True, False, True])
    fused, maps = fusion(tokens, present)
    assert not fused["b"][1].any()
    assert not maps[0].weights[1].any()
    torch.testing.assert_close(fused["a"], projected(fusion, tokens)["a"])


def test_a_single_modality_keeps_its_residual_path():
    torch.manual_seed(0)
    fusion = CrossFusion({"a": 5}, 8)
    tokens = {"a": torch.randn(3, 2, 5)}
    fused, maps = fusion(tokens, {"a": torch.ones(3, dtype=torch.bool)})
    (block,) = fusion.layers[0]
    x = tokens["a"] @ fusion.enter.project[0].weight.T + fusion.enter.kind[0]
    torch.testing.assert_close(fused["a"], x + block.mlp(block.norm_mlp(x)))
    assert maps[0].weights.shape == (3, 4, 2, 0)


def test_a_dominant_modality_that_is_none_is_refused():
    with pytest.raises(InvalidOption, match="dominant must be one of a, b, c"):
        problem(dominant="d")
