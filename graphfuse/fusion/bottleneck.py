"""Fusion through a few tokens that the modalities share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.errors import InvalidOption
from graphfuse.fusion.attend import TokenBlock
from graphfuse.fusion.intra import attend_within
from graphfuse.fusion.tokens import BOTTLENECK, AttentionMap, TokenProjection


class BottleneckFusion(nn.Module):
    """Multimodal bottleneck transformer: modalities exchange through b shared tokens only.

    A fused layer is ``[x_m || b_m] <- block_m([x_m || b], [x_m || b])``, ``b <- mean_(m present) b_m``; the layers
    before it are self-attention inside each modality. No token of one modality meets a token of another: the maps hold
    ``sum_m (n_m + b)^2`` entries a fused layer, where joint attention has ``(sum_m n_m)^2``.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of the fused tokens.
    heads, layers : int
    bottlenecks : int
        b.
    fused_from : int or None
        First fused layer, from 0; None is ``layers // 2``. Two layers at least are fused: in the first the shared
        tokens hear the modalities, in the second the modalities hear them.

    Raises
    ------
    InvalidOption
        Fewer than two fused layers.

    References
    ----------
    Nagrani et al. (2021). Attention bottlenecks for multimodal fusion. NeurIPS. The mean over those present is ours.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        out_channels: int,
        heads: int = 4,
        layers: int = 4,
        bottlenecks: int = 4,
        fused_from: int | None = None,
    ):
        super().__init__()
        self.fused_from = layers // 2 if fused_from is None else check_range("fused_from", fused_from, 0)
        if layers - self.fused_from < 2:
            raise InvalidOption(
                f"Two layers at least must be fused; got layers={layers}, fused from {self.fused_from} on. Add layers."
            )
        self.enter = TokenProjection(in_channels, out_channels)
        self.bottleneck = nn.Parameter(0.02 * torch.randn(1, check_range("bottlenecks", bottlenecks, 1), out_channels))
        self.layers = nn.ModuleList(
            nn.ModuleList(TokenBlock(out_channels, heads) for _ in in_channels) for _ in range(layers)
        )

    def forward(
        self, tokens: Mapping[str, Tensor], present: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], list[AttentionMap]]:
        """Return the fused tokens, and a map for each modality in each layer.

        See `graphfuse.fusion.tokens` for arguments and errors.
        """
        names, maps = self.enter.names, []
        values, mask = self.enter(tokens, present)
        shared = self.bottleneck.expand(len(mask), -1, -1)
        for layer, blocks in enumerate(self.layers):
            if layer < self.fused_from:
                values, new = attend_within(blocks, names, values, mask, layer)
            else:
                values, shared, new = exchange(blocks, names, values, shared, mask, layer)
            maps += new
        return dict(zip(names, values, strict=True)), maps


def exchange(
    blocks: Sequence[TokenBlock], names: Sequence[str], values: list[Tensor], shared: Tensor, mask: Tensor, layer: int
) -> tuple[list[Tensor], Tensor, list[AttentionMap]]:
    """Let each modality attend to itself and the shared tokens (B, b, D), whose mean over those present goes on."""
    joined, maps = attend_within(blocks, names, [torch.cat([x, shared], 1) for x in values], mask, layer)
    b = shared.shape[1]
    shared = torch.stack([x[:, -b:] for x in joined]).sum(0) / mask.sum(1)[:, None, None]  # 0 where missing
    sizes = [{name: x.shape[1], BOTTLENECK: b} for name, x in zip(names, values, strict=True)]
    maps = [map_._replace(queries=size, keys=size) for map_, size in zip(maps, sizes, strict=True)]
    return [x[:, :-b] for x in joined], shared, maps
