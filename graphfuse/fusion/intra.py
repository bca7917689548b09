"""Fusion by self-attention inside each modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.fusion.attend import TokenBlock
from graphfuse.fusion.tokens import AttentionMap, TokenProjection


def attend_within(
    blocks: Iterable[TokenBlock], names: Sequence[str], values: list[Tensor], mask: Tensor, layer: int
) -> tuple[list[Tensor], list[AttentionMap]]:
    """Let the tokens of each modality attend to each other: M tensors (B, n_m, D) and M maps of n_m x n_m."""
    fused, maps = [], []
    for m, (name, block, x) in enumerate(zip(names, blocks, values, strict=True)):
        has = mask[:, m, None].expand(x.shape[:2])  # (B, n_m)
        x, weights = block(x, x, has, has)
        fused.append(x)
        maps.append(AttentionMap(layer, {name: x.shape[1]}, {name: x.shape[1]}, weights))
    return fused, maps


class IntraFusion(nn.Module):
    """Self-attention inside each modality, ``x_m <- block_m(x_m, x_m)``, each with weights of its own.

    The modalities meet only in what pools their tokens.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of the fused tokens.
    heads, layers : int

    References
    ----------
    Vaswani et al. (2017). Attention is all you need. NeurIPS.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, heads: int = 4, layers: int = 1):
        super().__init__()
        check_range("layers", layers, 1)
        self.enter = TokenProjection(in_channels, out_channels)
        self.layers = nn.ModuleList(
            nn.ModuleList(TokenBlock(out_channels, heads) for _ in in_channels) for _ in range(layers)
        )

    def forward(
        self, tokens: Mapping[str, Tensor], present: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], list[AttentionMap]]:
        """Return the fused tokens and L M maps; see `graphfuse.fusion.tokens` for arguments and errors."""
        names, maps = self.enter.names, []
        values, mask = self.enter(tokens, present)
        for layer, blocks in enumerate(self.layers):
            values, new = attend_within(blocks, names, values, mask, layer)
            maps += new
        return dict(zip(names, values, strict=True)), maps
