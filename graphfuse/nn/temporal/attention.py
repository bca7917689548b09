"""Gated attention over the windows, or slices, of one person: a bag of instances with one label."""

from __future__ import annotations

from torch import Tensor, nn

from graphfuse.nn.simplex import masked_softmax
from graphfuse.nn.temporal.contract import enter_windows


class AttentionPooling(nn.Module):
    """``z = sum_w a_w x_w``, ``a = softmax_w(q . (tanh(V x_w) * sigmoid(U x_w)))`` over the windows that are present.

    Parameters
    ----------
    in_channels : int
        D; what comes out is as wide.
    hidden : int
        Width of the attention.

    References
    ----------
    Ilse, Tomczak and Welling (2018). Attention-based deep multiple instance learning. ICML.
    """

    def __init__(self, in_channels: int, hidden: int = 64):
        super().__init__()
        self.out_channels = in_channels
        self.value, self.gate = nn.Linear(in_channels, hidden), nn.Linear(in_channels, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)  # a bias would cancel in the softmax

    def weights(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return a, (B, W): zero at absent windows, elsewhere summing to 1."""
        x, present = enter_windows(x, present)
        return masked_softmax(self.score(self.value(x).tanh() * self.gate(x).sigmoid())[..., 0], present)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return (B, D) of x (B, W, D); see `graphfuse.nn.temporal.contract.enter_windows`."""
        x, present = enter_windows(x, present)
        return (self.weights(x, present)[..., None] * x).sum(1)
