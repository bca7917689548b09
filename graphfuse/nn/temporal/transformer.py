"""A transformer layer over windows, as in STAGIN, and the mean of what it gives."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.errors import InvalidOption
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.temporal.contract import enter_windows


class TimeTransformer(nn.Module):
    """``h = LN(attention(x))``, ``y = LN(h + W2 relu(W1 h))``, ``z = mean_w y_w`` over the windows that are present.

    There is no skip connection around the attention. It does not know the order of windows unless x tells it. STAGIN
    sums over windows; the mean is taken here, since the number of windows differs between scanners.

    Parameters
    ----------
    in_channels : int
        D; what comes out is as wide.
    heads : int
    dropout : float
        Of what the attention gives, inside the two layers after it, and of what they give.

    Raises
    ------
    InvalidOption
        `in_channels` is no multiple of `heads`.

    References
    ----------
    Kim, Ye and Kim (2021). Learning dynamic graph representation of brain connectome with spatio-temporal attention.
    NeurIPS.
    """

    def __init__(self, in_channels: int, heads: int = 1, dropout: float = 0.1):
        super().__init__()
        check_range("heads", heads, 1)
        check_range("dropout", dropout, 0.0, 1.0)
        if in_channels % heads:
            raise InvalidOption(f"in_channels must be a multiple of heads={heads}; got {in_channels}. Change one.")
        self.out_channels = in_channels
        self.multihead_attn = nn.MultiheadAttention(in_channels, heads, batch_first=True)
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(in_channels), nn.LayerNorm(in_channels)
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, 2 * in_channels),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(2 * in_channels, in_channels),
        )
        self.dropout = Dropout(dropout)

    def weights(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the attention map, (B, W, W), mean over heads: row w says where window w looks.

        Rows of present windows sum to 1; rows and columns of absent ones are zero.
        """
        x, present = enter_windows(x, present)
        return torch.where(present[..., None] & present[:, None, :], self._attend(x, present)[1], 0.0)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return (B, D) of x (B, W, D); see `graphfuse.nn.temporal.contract.enter_windows`."""
        x, present = enter_windows(x, present)
        h = self.layer_norm1(self.dropout(self._attend(x, present)[0]))
        y = self.layer_norm2(h + self.dropout(self.mlp(h)))
        return torch.where(present[..., None], y, 0.0).sum(1) / present.sum(1, keepdim=True).clamp(min=1)

    def _attend(self, x: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each window hears from present ones (B, W, D), and the map (B, W, W)."""
        hidden = ~present & present.any(1, keepdim=True)  # a row without a key would be NaN
        return self.multihead_attn(x, x, x, key_padding_mask=hidden)
