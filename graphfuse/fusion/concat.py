"""Fusion by concatenation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse.fusion.contract import enter


class ConcatFusion(nn.Module):
    """Concatenation ``z = W [v_1 || .. || v_M] + b``, a learned placeholder e_m for a missing v_m.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        widths = [in_channels[name] for name in sorted(in_channels)]
        self.placeholders = nn.ParameterList(torch.zeros(width) for width in widths)
        self.project = nn.Linear(sum(widths), out_channels)

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, None]:
        """Return z (B, D) and None; see `graphfuse.fusion.contract.enter` for the arguments and errors."""
        values, mask = enter(embeddings, present, self.in_channels)
        filled = [
            torch.where(mask[:, m, None], v, self.placeholders[m].to(v.dtype)) for m, v in enumerate(values)
        ]  # M times (B, d_m)
        return self.project(torch.cat(filled, 1)), None
