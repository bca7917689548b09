"""Fusion of two modalities by co-attention."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse.errors import InvalidOption
from graphfuse.fusion.tokens import AttentionMap, TokenProjection
from graphfuse.nn.simplex import softmax_where


class CoAttentionFusion(nn.Module):
    """Co-attention: both modalities attend through one affinity ``C = tanh(Z_1 W Z_2^T)``.

    ``Z_1 <- Z_1 + softmax(C) Z_2 V_2``, ``Z_2 <- Z_2 + softmax(C^T) Z_1 V_1``.

    The affinity is that of [1]. The source goes on with a hidden layer and one pooled vector a side; softmax, residual
    and a token for a token are ours. As C lies within -1 .. 1, no key outweighs another by more than e^2.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of the two modalities, 1 and 2 by sorted name.
    out_channels : int
        Width D of the fused tokens.

    Raises
    ------
    InvalidOption
        Not two modalities.

    References
    ----------
    [1] Lu et al. (2016). Hierarchical question-image co-attention for visual question answering. NeurIPS.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int):
        super().__init__()
        if len(in_channels) != 2:
            raise InvalidOption(
                f"Co-attention is between two modalities; got {sorted(in_channels)}. Use CrossFusion for more."
            )
        self.enter = TokenProjection(in_channels, out_channels)
        # of deviation 1 / D, so that C starts at the scale of its tokens, where tanh is not yet flat
        self.affinity = nn.Parameter(torch.randn(out_channels, out_channels) / out_channels)
        self.lin_value = nn.ModuleList(nn.Linear(out_channels, out_channels, bias=False) for _ in in_channels)

    def forward(
        self, tokens: Mapping[str, Tensor], present: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], list[AttentionMap]]:
        """Return the fused tokens and two maps (B, 1, n_1, n_2), (B, 1, n_2, n_1).

        See `graphfuse.fusion.tokens` for arguments and errors.
        """
        values, mask = self.enter(tokens, present)
        both = mask.all(1)[:, None, None]  # who lacks one of the two attends to nothing
        affinity = (values[0] @ self.affinity @ values[1].mT).tanh()  # (B, n_1, n_2)
        fused, maps = {}, []
        for m, logits in enumerate((affinity, affinity.mT)):
            weights = softmax_where(logits, both)
            name, other = self.enter.names[m], self.enter.names[1 - m]
            fused[name] = values[m] + weights @ self.lin_value[1 - m](values[1 - m])
            sizes = {name: logits.shape[1]}, {other: logits.shape[2]}
            maps.append(AttentionMap(0, *sizes, weights.detach()[:, None]))
        return fused, maps
