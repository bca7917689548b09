"""Fusion by attention between modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_option, check_range
from graphfuse.fusion.attend import TokenBlock
from graphfuse.fusion.tokens import AttentionMap, TokenProjection, token_mask


class CrossFusion(nn.Module):
    """Cross-attention ``x_m <- block_m(x_m, [x_j]_(j != m))``: queries of m, keys and values of all the others.

    All modalities of a layer are updated at once. A modality that is alone attends to nothing and keeps its residual
    path.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of the fused tokens.
    heads, layers : int
    dominant : str or None
        The one modality that queries the others, which stay as they were projected; None lets every one query.

    Raises
    ------
    InvalidOption
        A dominant modality that is none of them.

    References
    ----------
    Tsai et al. (2019). Multimodal transformer for unaligned multimodal language sequences. ACL. There each pair has a
    transformer of its own; one softmax over all the others is ours.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        out_channels: int,
        heads: int = 4,
        layers: int = 1,
        dominant: str | None = None,
    ):
        super().__init__()
        check_range("layers", layers, 1)
        self.enter = TokenProjection(in_channels, out_channels)
        self.asking = self.enter.names if dominant is None else [check_option("dominant", dominant, self.enter.names)]
        self.layers = nn.ModuleList(
            nn.ModuleList(TokenBlock(out_channels, heads) for _ in self.asking) for _ in range(layers)
        )

    def forward(
        self, tokens: Mapping[str, Tensor], present: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], list[AttentionMap]]:
        """Return the fused tokens, and a map for each modality that asks in each layer.

        See `graphfuse.fusion.tokens` for arguments and errors.
        """
        values, mask = self.enter(tokens, present)
        fused, maps = dict(zip(self.enter.names, values, strict=True)), []
        for layer, blocks in enumerate(self.layers):
            heard = [
                self._ask(block, name, fused, mask, layer) for block, name in zip(blocks, self.asking, strict=True)
            ]
            fused = fused | {name: x for name, (x, _) in zip(self.asking, heard, strict=True)}
            maps += [map_ for _, map_ in heard]
        return fused, maps

    def _ask(
        self, block: TokenBlock, name: str, fused: dict[str, Tensor], mask: Tensor, layer: int
    ) -> tuple[Tensor, AttentionMap]:
        x, has = fused[name], dict(zip(fused, mask.unbind(1), strict=True))
        others = {other: value for other, value in fused.items() if other != name}
        context = torch.cat([x[:, :0], *others.values()], 1)  # (B, K, D), K = 0 for a single modality
        keys = token_mask({name: x[:, :0]} | others, has)
        x, weights = block(x, context, token_mask({name: x}, has), keys)
        sizes = {other: value.shape[1] for other, value in others.items()}
        return x, AttentionMap(layer, {name: x.shape[1]}, sizes, weights)
