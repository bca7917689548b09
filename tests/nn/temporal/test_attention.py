"""Gated attention pooling against its formula."""

from __future__ import annotations

import torch

from graphfuse.nn.temporal.attention import AttentionPooling

PRESENT = torch.tensor([[True] * 4, [False, True, False, True], [False] * 4])


def test_is_its_formula():
    module, x = AttentionPooling(6, 5), torch.randn(3, 4, 6)
    bag = x[1, PRESENT[1]]
    score = [
        module.score.weight[0]
        @ (
            (module.value.weight @ row + module.value.bias).tanh()
            * (module.gate.weight @ row + module.gate.bias).sigmoid()
        )
        for row in bag
    ]
    weight = torch.stack(score).softmax(0)
    torch.testing.assert_close(module.weights(x, PRESENT)[1, PRESENT[1]], weight)
    torch.testing.assert_close(module(x, PRESENT)[1], weight @ bag)


def test_weights_sum_to_one_over_present_windows():
    weight = AttentionPooling(6).weights(torch.randn(3, 4, 6), PRESENT)
    torch.testing.assert_close(weight.sum(1), torch.tensor([1.0, 1.0, 0.0]))
    assert not weight[~PRESENT].any()
