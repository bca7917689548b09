"""The last state of a gated recurrent unit."""

from __future__ import annotations

from torch import Tensor, nn

from graphfuse.nn.temporal.contract import enter_windows, present_first
from graphfuse.nn.temporal.packed import last_state, run_packed


class GRUReadout(nn.Module):
    """``z = h_W``, ``h_w = GRU(x_w, h_(w-1))`` over the windows that are present.

    Parameters
    ----------
    in_channels : int
    out_channels : int
        Width of the state, D'.

    References
    ----------
    Cho et al. (2014). Learning phrase representations using RNN encoder-decoder for statistical machine translation.
    EMNLP.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.gru, self.out_channels = nn.GRU(in_channels, out_channels, batch_first=True), out_channels

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return (B, D') of x (B, W, D); see `graphfuse.nn.temporal.contract.enter_windows`."""
        x, present = present_first(*enter_windows(x, present))
        return last_state(run_packed(self.gru, x, present), present)
