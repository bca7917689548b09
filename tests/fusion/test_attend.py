"""TokenAttention equals torch's own multi-head attention; the block is pre-norm."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from graphfuse.errors import InvalidOption
from graphfuse.fusion.attend import TokenAttention, TokenBlock
from graphfuse.nn.simplex import softmax_where

KEYS = torch.tensor([[True, True, True, True], [True, False, True, False]])


def twin(attention: TokenAttention, channels: int) -> nn.MultiheadAttention:
    """torch's multi-head attention with the weights of `attention`."""
    other = nn.MultiheadAttention(channels, attention.heads, batch_first=True)
    parts = [attention.lin_query, attention.lin_key, attention.lin_value]
    with torch.no_grad():
        other.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        other.in_proj_bias.copy_(torch.cat([parts[0].bias, torch.zeros_like(parts[0].bias), parts[2].bias]))
        other.out_proj.weight.copy_(attention.lin_out.weight)
        other.out_proj.bias.zero_()
    return other


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_output_map_and_gradients_equal_those_of_torch(heads):
    torch.manual_seed(0)
    attention = TokenAttention(8, heads)
    other = twin(attention, 8)
    results = []
    x, context = torch.randn(2, 3, 8), torch.randn(2, 4, 8)
    for ours in (True, False):
        q, c = x.clone().requires_grad_(), context.clone().requires_grad_()
        if ours:
            y, weights = attention(q, c, KEYS)
        else:
            y, weights = other(q, c, c, key_padding_mask=~KEYS, average_attn_weights=False)
        y.square().sum().backward()
        results.append((y, weights, q.grad, c.grad))
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs)
    ours = torch.cat([part.weight.grad for part in (attention.lin_query, attention.lin_key, attention.lin_value)])
    torch.testing.assert_close(ours, other.in_proj_weight.grad)


def test_a_loop_over_queries_gives_the_same():
    torch.manual_seed(1)
    attention = TokenAttention(6, 4)  # a head is ceil(6 / 4) = 2 wide
    x, context = torch.randn(2, 3, 6), torch.randn(2, 4, 6)
    y, weights = attention(x, context, KEYS)
    q, k, v = attention.lin_query(x), attention.lin_key(context), attention.lin_value(context)
    for b in range(2):
        usable = KEYS[b].nonzero()[:, 0]
        for i in range(3):
            heads = []
            for h in range(4):
                d = slice(2 * h, 2 * h + 2)
                w = torch.stack([(q[b, i, d] @ k[b, j, d] / math.sqrt(2)).exp() for j in usable])
                torch.testing.assert_close(weights[b, h, i, usable], w / w.sum())
                heads.append((w / w.sum()) @ v[b, usable, d])
            torch.testing.assert_close(y[b, i], attention.lin_out(torch.cat(heads)))


def test_a_query_without_keys_gets_zero_and_finite_gradients():
    torch.manual_seed(0)
    attention = TokenAttention(8, 2)
    context = torch.randn(2, 4, 8, requires_grad=True)
    y, weights = attention(torch.randn(2, 3, 8), context, torch.tensor([[True] * 4, [False] * 4]))
    y.square().sum().backward()
    assert not y[1].any()
    assert not weights[1].any()
    assert not context.grad[1].any()
    assert torch.isfinite(context.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in attention.parameters())


def test_softmax_is_that_of_the_usable_keys_even_of_huge_logits():
    logits = torch.tensor([[1e30, -1e30, 0.0], [-1e30, -1e30, 5.0]])
    weights = softmax_where(logits, torch.tensor([[True, True, False]]))
    assert torch.equal(weights, torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]))


def test_the_block_is_torchs_pre_norm_layer():
    torch.manual_seed(0)
    block = TokenBlock(8, 2)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    layer.self_attn = twin(block.attention, 8)
    for mine, theirs in [(block.norm, layer.norm1), (block.norm_mlp, layer.norm2), (block.mlp[0], layer.linear1)]:
        theirs.load_state_dict(mine.state_dict())
    layer.linear2.load_state_dict(block.mlp[2].state_dict())
    x = torch.randn(2, 4, 8)
    y, weights = block(x, x, KEYS, KEYS)
    torch.testing.assert_close(y[KEYS], layer.train()(x, src_key_padding_mask=~KEYS)[KEYS])
    assert not y[~KEYS].any()
    assert not weights.transpose(1, 2)[~KEYS].any()


def test_no_heads_are_refused():
    with pytest.raises(InvalidOption, match="heads"):
        TokenAttention(8, 0)
