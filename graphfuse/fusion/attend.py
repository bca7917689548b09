"""Multi-head attention between tokens, with its map, and the block around it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.nn.simplex import softmax_where

WIDEN = 2  # hidden width of a block over D; transformers have 4, for more tokens than a cohort has


class TokenAttention(nn.Module):
    """Scaled dot-product attention ``Y = [softmax(Q_h K_h^T / sqrt(d)) V_h]_h W_o``.

    ``Q = W_q x + b_q``, ``K = W_k c``, ``V = W_v c + b_v`` of the tokens x and their context c. W_o has no bias, so
    that a query without a key gets 0; nor has W_k, as the softmax would cancel it. The width of a head d is
    ceil(D / H).

    Parameters
    ----------
    channels : int
        Width D.
    heads : int
        H.

    References
    ----------
    Vaswani et al. (2017). Attention is all you need. NeurIPS.
    """

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        self.heads = check_range("heads", heads, 1)
        wide = heads * -(-channels // heads)
        self.lin_query = nn.Linear(channels, wide)
        self.lin_key = nn.Linear(channels, wide, bias=False)
        self.lin_value = nn.Linear(channels, wide)
        self.lin_out = nn.Linear(wide, channels, bias=False)

    def forward(self, x: Tensor, context: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return what x (B, Q, D) reads in context (B, K, D) where keys (B, K), and the map (B, H, Q, K), detached."""
        q, k, v = (
            lin(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, Q or K, d)
            for lin, tokens in ((self.lin_query, x), (self.lin_key, context), (self.lin_value, context))
        )
        weights = softmax_where(q @ k.mT / q.shape[-1] ** 0.5, keys[:, None, None])
        return self.lin_out((weights @ v).transpose(1, 2).flatten(2)), weights.detach()


class TokenBlock(nn.Module):
    """Pre-norm transformer block ``y = x + attention(norm x, norm context)``, ``y + MLP(norm y)``.

    Parameters
    ----------
    channels : int
        Width D.
    heads : int
        H.
    """

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        self.norm, self.norm_mlp = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = TokenAttention(channels, heads)
        self.mlp = nn.Sequential(
            nn.Linear(channels, WIDEN * channels), nn.GELU(), nn.Linear(WIDEN * channels, channels)
        )

    def forward(self, x: Tensor, context: Tensor, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new tokens (B, Q, D) and the map (B, H, Q, K), both 0 where queries (B, Q) is False.

        x (B, Q, D) attends to context (B, K, D) where keys (B, K) is True.
        """
        heard, weights = self.attention(self.norm(x), self.norm(context), keys)
        x = x + heard
        x = x + self.mlp(self.norm_mlp(x))
        return torch.where(queries[..., None], x, 0.0), weights * queries[:, None, :, None]
