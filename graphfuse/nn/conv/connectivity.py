"""Graph convolution over the correlations of time series, without the matrix of correlations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse.kernels.connectivity import connectivity_conv
from graphfuse.kernels.finite import LIMIT, check_finite


class ConnectivityConv(nn.Module):
    """Graph convolution ``Y = D^-1/2 (f(C) + I) D^-1/2 X W^T + b``, C the correlations of the series, f a threshold.

    Equal to `GCNConv` on the thresholded correlation graph, which is never held in memory: R may be 65,000 vertices.
    Parameters are named as in `GCNConv` and may be loaded from it.

    Parameters
    ----------
    in_channels, out_channels : int
    threshold : float
        tau in [0, 1].
    kind : {"hard", "soft", "relu", "none"}
    signed : {"absolute", "positive", "keep"}
    normalise : {"sym", "none"}
    self_loops : bool
    bias : bool

    Raises
    ------
    InvalidOption, NonFinite, ShapeMismatch, ShortSeries, NegativeWeights
        In `forward`, as `graphfuse.kernels.connectivity.connectivity_conv`, which explains the options.

    References
    ----------
    Kipf and Welling (2017). Semi-supervised classification with graph convolutional networks. ICLR.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        threshold: float = 0.3,
        kind: str = "hard",
        signed: str = "absolute",
        normalise: str = "sym",
        self_loops: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.graph = {
            "threshold": threshold,
            "kind": kind,
            "signed": signed,
            "normalise": normalise,
            "self_loops": self_loops,
        }
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.xavier_uniform_(self.lin.weight)

    def forward(self, series: Tensor, x: Tensor, mask: Tensor | None = None, degree: Tensor | None = None) -> Tensor:
        """Return (B, R, out) of series (B, T, R) and x (B, R, in); mask (B, T) and degree (B, R) as the function's."""
        check_finite("x", x, LIMIT)
        # The correlations meet the features at the smaller of the two widths.
        if self.in_channels < self.out_channels:
            y = self.lin(connectivity_conv(series, x, **self.graph, mask=mask, degree=degree))
        else:
            y = connectivity_conv(series, self.lin(x), **self.graph, mask=mask, degree=degree)
        return check_finite("The output of the convolution", y if self.bias is None else y + self.bias)
