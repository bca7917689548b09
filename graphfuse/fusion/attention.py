"""Attention over the embeddings of modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.fusion.contract import enter


class AttentionFusion(nn.Module):
    """Attention ``z = sum_m beta_m h_m``, ``beta = softmax_{m in P}(q . tanh(W h_m + b))``.

    ``h_m = V_m v_m + c_m`` brings the modalities to one width; W, b and q are shared. The softmax runs over the
    modalities P that a subject has: a missing one has beta_m = 0.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    hidden : int
        Length of q.

    References
    ----------
    Wang et al. (2020). AM-GCN: adaptive multi-channel graph convolutional networks. KDD.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, hidden: int = 16):
        super().__init__()
        check_range("hidden", hidden, 1)
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        self.project = nn.ModuleList(nn.Linear(in_channels[name], out_channels) for name in sorted(in_channels))
        self.score = nn.Sequential(nn.Linear(out_channels, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return z (B, D), and beta (B, M), detached, rows summing to 1.

        See `graphfuse.fusion.contract.enter` for the arguments and errors.
        """
        values, mask = enter(embeddings, present, self.in_channels)
        hidden = torch.stack([project(v) for project, v in zip(self.project, values, strict=True)], 1)  # (B, M, D)
        share = self.score(hidden)[..., 0].masked_fill(~mask, -torch.inf).softmax(1)
        return (share[..., None] * hidden).sum(1), share.detach()
