"""IntraFusion: each modality attends to itself and to nothing else."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.intra import IntraFusion


def problem(layers=2):
    torch.manual_seed(0)
    fusion = IntraFusion({"b": 4, "a": 5}, 8, heads=2, layers=layers)
    tokens = {"a": torch.randn(3, 2, 5), "b": torch.randn(3, 3, 4)}
    return fusion, tokens, {name: torch.ones(3, dtype=torch.bool) for name in tokens}


def test_it_is_a_transformer_for_each_modality():
    fusion, tokens, present = problem()
    fused, _ = fusion(tokens, present)
    for m, name in enumerate("ab"):
        x = tokens[name] @ fusion.enter.project[m].weight.T + fusion.enter.kind[m]
        for blocks in fusion.layers:
            every = torch.ones(x.shape[:2], dtype=torch.bool)
            x, _ = blocks[m](x, x, every, every)
        torch.testing.assert_close(fused[name], x)


def test_other_modalities_change_no_bit():
    fusion, tokens, present = problem()
    fused, _ = fusion(tokens, present)
    other, _ = fusion({**tokens, "b": torch.randn(3, 3, 4)}, present)
    assert torch.equal(fused["a"], other["a"])
    assert not torch.equal(fused["b"], other["b"])


def test_there_is_a_map_for_each_modality_and_layer():
    fusion, tokens, present = problem()
    _, maps = fusion(tokens, present)
    assert [(map_.layer, *map_.queries, tuple(map_.weights.shape)) for map_ in maps] == [
        (layer, name, (3, 2, n, n)) for layer in (0, 1) for name, n in (("a", 2), ("b", 3))
    ]


def test_no_layers_are_refused():
    with pytest.raises(InvalidOption, match="layers"):
        problem(layers=0)
