"""CoAttentionFusion: two modalities, one affinity."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.fusion.coattention import CoAttentionFusion


def problem():
    torch.manual_seed(0)
    fusion = CoAttentionFusion({"b": 4, "a": 5}, 6)
    tokens = {"a": torch.randn(3, 2, 5), "b": torch.randn(3, 3, 4)}
    present = {"a": torch.tensor([True, True, False]), "b": torch.tensor([True, False, True])}
    return fusion, tokens, present


def test_both_sides_attend_through_one_affinity_as_loops_do():
    fusion, tokens, present = problem()
    fused, maps = fusion(tokens, present)
    z_a, z_b = (tokens[n][0] @ fusion.enter.project[m].weight.T + fusion.enter.kind[m] for m, n in enumerate("ab"))
    c = torch.stack([torch.stack([torch.tanh(i @ fusion.affinity @ j) for j in z_b]) for i in z_a])  # (2, 3)
    v_a, v_b = (value.weight for value in fusion.lin_value)
    for i in range(2):
        w = c[i].exp() / c[i].exp().sum()
        torch.testing.assert_close(maps[0].weights[0, 0, i], w)
        torch.testing.assert_close(fused["a"][0, i], z_a[i] + sum(w[j] * (v_b @ z_b[j]) for j in range(3)))
    for j in range(3):
        w = c[:, j].exp() / c[:, j].exp().sum()
        torch.testing.assert_close(maps[1].weights[0, 0, j], w)
        torch.testing.assert_close(fused["b"][0, j], z_b[j] + sum(w[i] * (v_a @ z_a[i]) for i in range(2)))


def test_maps_are_of_one_head_and_transposed_sizes():
    fusion, tokens, present = problem()
    _, (first, second) = fusion(tokens, present)
    assert (first.queries, first.keys, first.weights.shape) == ({"a": 2}, {"b": 3}, (3, 1, 2, 3))
    assert (second.queries, second.keys, second.weights.shape) == ({"b": 3}, {"a": 2}, (3, 1, 3, 2))


def test_who_has_one_of_the_two_keeps_it_as_projected():
    fusion, tokens, present = problem()
    fused, maps = fusion(tokens, present)
    torch.testing.assert_close(fused["a"][1], tokens["a"][1] @ fusion.enter.project[0].weight.T + fusion.enter.kind[0])
    assert not any(map_.weights[1:].any() for map_ in maps)


@pytest.mark.parametrize("names", ["a", "abc"])
def test_one_or_three_modalities_are_refused(names):
    with pytest.raises(InvalidOption, match="between two modalities"):
        CoAttentionFusion(dict.fromkeys(names, 2), 4)
