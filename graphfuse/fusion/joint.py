"""Fusion by one transformer over the tokens of all modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.fusion.attend import TokenBlock
from graphfuse.fusion.tokens import CLASS, AttentionMap, TokenProjection, token_mask


class JointFusion(nn.Module):
    """One transformer over ``x = [class || x_1 || .. || x_M]``, ``x <- block(x, x)``, and a class token that reads all.

    Every token attends to every token: L maps of ``(1 + sum n_m)^2``.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of the fused tokens.
    heads, layers : int

    References
    ----------
    Dai, Gao & Liu (2021). TransMed: transformers advance multi-modal medical image classification. Diagnostics.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, heads: int = 4, layers: int = 2):
        super().__init__()
        check_range("layers", layers, 1)
        self.enter = TokenProjection(in_channels, out_channels)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, out_channels))
        self.layers = nn.ModuleList(TokenBlock(out_channels, heads) for _ in range(layers))

    def forward(
        self, tokens: Mapping[str, Tensor], present: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], list[AttentionMap]]:
        """Return the fused tokens, the class token (B, 1, D) among them as "[class]", and L maps.

        See `graphfuse.fusion.tokens` for arguments and errors.
        """
        values, mask = self.enter(tokens, present)
        parts = {CLASS: self.class_token.expand(len(mask), -1, -1)} | dict(zip(self.enter.names, values, strict=True))
        sizes = {name: part.shape[1] for name, part in parts.items()}
        has = token_mask(parts, {CLASS: mask.any(1)} | dict(zip(self.enter.names, mask.unbind(1), strict=True)))
        x, maps = torch.cat(list(parts.values()), 1), []  # (B, 1 + sum n_m, D)
        for layer, block in enumerate(self.layers):
            x, weights = block(x, x, has, has)
            maps.append(AttentionMap(layer, sizes, sizes, weights))
        return dict(zip(sizes, x.split(list(sizes.values()), 1), strict=True)), maps
