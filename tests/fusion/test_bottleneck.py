"""BottleneckFusion: modalities exchange through a few shared tokens, and in no other way."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.bottleneck import BottleneckFusion

COUNTS = {"a": 5, "b": 3, "c": 1}


def problem(**options):
    torch.manual_seed(0)
    fusion = BottleneckFusion({"c": 3, "a": 5, "b": 4}, 8, heads=2, **options)
    tokens = {"a": torch.randn(3, 5, 5), "b": torch.randn(3, 3, 4), "c": torch.randn(3, 1, 3)}
    present = {name: torch.ones(3, dtype=torch.bool) for name in tokens}
    present["b"] = torch.tensor([True, False, True])
    return fusion, tokens, present


def test_each_subject_equals_the_published_recursion_over_what_it_has():
    fusion, tokens, present = problem(layers=5, bottlenecks=2)
    fused, _ = fusion(tokens, present)
    for i in range(3):
        has = [(m, n) for m, n in enumerate("abc") if present[n][i]]
        x = {n: tokens[n][i : i + 1] @ fusion.enter.project[m].weight.T + fusion.enter.kind[m] for m, n in has}
        shared = fusion.bottleneck
        for layer, blocks in enumerate(fusion.layers):
            heard = []
            for m, n in has:
                joined = torch.cat([x[n], shared], 1) if layer >= 2 else x[n]
                every = torch.ones(joined.shape[:2], dtype=torch.bool)
                joined, _ = blocks[m](joined, joined, every, every)
                x[n] = joined[:, : COUNTS[n]]
                heard.append(joined[:, COUNTS[n] :])
            shared = sum(heard) / len(heard) if layer >= 2 else shared
        for n in x:
            torch.testing.assert_close(fused[n][i : i + 1], x[n])


def test_no_map_lies_between_two_modalities_and_its_size_is_the_claimed_cost():
    fusion, tokens, present = problem()
    _, maps = fusion(tokens, present)
    for map_ in maps:
        assert map_.queries == map_.keys
        assert len(map_.keys.keys() - {"[bottleneck]"}) == 1
    sizes = [map_.weights[0, 0].numel() for map_ in maps]
    assert sizes == 2 * [n**2 for n in COUNTS.values()] + 2 * [(n + 4) ** 2 for n in COUNTS.values()]


def test_modalities_hear_each_other_in_the_second_fused_layer_first():
    for layers, hears in ((3, True), (2, False)):
        fusion, tokens, present = problem(layers=3, fused_from=1)
        fusion.layers = fusion.layers[:layers]  # one of the two fused layers, or both
        fused, _ = fusion(tokens, present)
        other, _ = fusion({**tokens, "a": tokens["a"] + 1}, present)
        assert torch.equal(fused["c"], other["c"]) != hears


def test_fewer_than_two_fused_layers_are_refused():
    with pytest.raises(InvalidOption, match="Two layers at least"):
        problem(layers=2)
    assert problem(layers=2, fused_from=0)[0].fused_from == 0
    with pytest.raises(InvalidOption, match="bottlenecks"):
        problem(bottlenecks=0)
    with pytest.raises(InvalidOption, match="fused_from"):
        problem(fused_from=-1)
