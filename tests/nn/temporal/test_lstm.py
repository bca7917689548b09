"""The stacked long short-term memory against its equations."""

from __future__ import annotations

import pytest
import torch

from graphfuse.errors import InvalidOption
from graphfuse.nn.temporal.lstm import LSTMReadout

PRESENT = torch.tensor([[True] * 4, [False, True, False, True], [True, True, False, False]])


def states(lstm, x):
    """Return the state after each of the windows x (W, D)."""
    h = c = x.new_zeros(lstm.hidden_size)
    run = []
    for window in x:
        gates = lstm.weight_ih_l0 @ window + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h + lstm.bias_hh_l0
        enter, forget, new, out = gates.chunk(4)
        c = forget.sigmoid() * c + enter.sigmoid() * new.tanh()
        h = out.sigmoid() * c.tanh()
        run.append(h)
    return torch.stack(run)


def standardised(rows):
    return (rows - rows.mean(0)) / (rows.var(0, correction=0) + 1e-5).sqrt()


def test_is_its_equations_with_statistics_over_present_windows():
    module, x = LSTMReadout(5, (4, 3)).double(), torch.randn(3, 4, 5, dtype=torch.float64)
    counts = PRESENT.sum(1).tolist()
    first = [states(module.layers[0], x[b, PRESENT[b]]) for b in range(3)]
    first = standardised(torch.cat(first)).tanh().split(counts)
    last = torch.stack([states(module.layers[1], run)[-1] for run in first])
    torch.testing.assert_close(module(x, PRESENT), standardised(last).tanh())


def test_widths_are_those_of_the_source():
    module = LSTMReadout(64)
    assert [layer.hidden_size for layer in module.layers] == [180, 90]
    assert module.out_channels == 90
    with pytest.raises(InvalidOption, match="widths"):
        LSTMReadout(64, ())
