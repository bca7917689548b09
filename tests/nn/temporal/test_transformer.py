"""The transformer over windows against its equations."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import layer_norm

from graphfuse.errors import InvalidOption
from graphfuse.nn.temporal.transformer import TimeTransformer

PRESENT = torch.tensor([[True] * 4, [False, True, False, True], [False] * 4])


def windows():
    return torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))


def make(heads=1, dropout=0.0):
    torch.manual_seed(0)
    return TimeTransformer(6, heads, dropout)


def test_is_its_equations_without_a_skip_around_the_attention():
    module, x = make(), windows()[1, PRESENT[1]]
    attention = module.multihead_attn
    q, k, v = (x @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, -1)
    weight = (q @ k.T / 6**0.5).softmax(-1)
    h = layer_norm(weight @ v @ attention.out_proj.weight.T + attention.out_proj.bias, (6,))
    up, _, _, down = module.mlp
    inner = (h @ up.weight.T + up.bias).relu() @ down.weight.T + down.bias
    torch.testing.assert_close(module(windows(), PRESENT)[1], layer_norm(h + inner, (6,)).mean(0))
    torch.testing.assert_close(module.weights(windows(), PRESENT)[1][PRESENT[1]][:, PRESENT[1]], weight)


@pytest.mark.parametrize("heads", [1, 3])
def test_the_map_lies_between_present_windows_and_its_rows_sum_to_one(heads):
    weight = make(heads).weights(windows(), PRESENT)
    torch.testing.assert_close(weight.sum(2), PRESENT.float())
    assert not weight.mT[~PRESENT].any()


def test_the_map_is_the_same_outside_training_and_without_gradients():
    module = make()
    expected = module.weights(windows(), PRESENT), module(windows(), PRESENT)
    module.eval()
    with torch.no_grad():
        torch.testing.assert_close((module.weights(windows(), PRESENT), module(windows(), PRESENT)), expected)


def test_dropout_acts_in_training_alone():
    module = make(dropout=0.5)
    assert not torch.equal(module(windows()), module(windows()))
    module.eval()
    assert torch.equal(module(windows()), module(windows()))


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(InvalidOption, match="multiple of heads"):
        TimeTransformer(6, 4)
