"""The gated recurrent unit against its equations."""

from __future__ import annotations

import torch

from graphfuse.nn.temporal.gru import GRUReadout

PRESENT = torch.tensor([[True] * 4, [False, True, False, True]])


def step(gru, x, h):
    inner = gru.weight_ih_l0 @ x + gru.bias_ih_l0
    outer = gru.weight_hh_l0 @ h + gru.bias_hh_l0
    (r1, u1, n1), (r2, u2, n2) = inner.chunk(3), outer.chunk(3)
    reset, update = (r1 + r2).sigmoid(), (u1 + u2).sigmoid()
    return (1 - update) * (n1 + reset * n2).tanh() + update * h


def test_is_its_equations_over_the_present_windows():
    module, x = GRUReadout(5, 3), torch.randn(2, 4, 5)
    z = module(x, PRESENT)
    for b in range(2):
        h = torch.zeros(3)
        for w in range(4):
            h = step(module.gru, x[b, w], h) if PRESENT[b, w] else h
        torch.testing.assert_close(z[b], h)
