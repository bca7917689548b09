"""A stack of long short-term memories with normalised states, as in MSTGC."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from graphfuse.errors import InvalidOption
from graphfuse.nn.masked_norm import MaskedBatchNorm
from graphfuse.nn.temporal.contract import enter_windows, present_first
from graphfuse.nn.temporal.packed import last_state, run_packed


class LSTMReadout(nn.Module):
    """``x <- tanh(BN(LSTM(x)))`` once a width, then the last step that is present.

    Statistics of the batch normalisation run over present windows of all subjects; those of the last layer run over the
    last steps, which are all that leaves it. The source does not say whether the last step or the whole run goes on;
    the last step is our reading.

    Parameters
    ----------
    in_channels : int
    widths : sequence of int
        Width of each layer; the last one is D'.

    Raises
    ------
    InvalidOption
        No width.

    References
    ----------
    Xu et al. (2023). MSTGC. IEEE Transactions on Neural Systems and Rehabilitation Engineering 31, 2359-2369.
    """

    def __init__(self, in_channels: int, widths: Sequence[int] = (180, 90)):
        super().__init__()
        if not widths:
            raise InvalidOption("widths must hold one width at least; got none. Give for instance widths=(180, 90).")
        self.layers = nn.ModuleList(nn.LSTM(a, b, batch_first=True) for a, b in pairwise([in_channels, *widths]))
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for width in widths)
        self.out_channels = widths[-1]

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return (B, D') of x (B, W, D); see `graphfuse.nn.temporal.contract.enter_windows`."""
        x, present = present_first(*enter_windows(x, present))
        for layer, norm in zip(self.layers[:-1], self.norms[:-1], strict=True):
            x = norm(run_packed(layer, x, present), present).tanh()
        last = last_state(run_packed(self.layers[-1], x, present), present)
        return torch.tanh(self.norms[-1](last, present.any(1)))
