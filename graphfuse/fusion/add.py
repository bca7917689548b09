"""Fusion by addition."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_option
from graphfuse.fusion.contract import enter

ACTIVATIONS = {"identity": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh}


class AddFusion(nn.Module):
    """Addition ``z = f(M / |P| sum_{m in P} W_m^T v_m)`` over the modalities P that a subject has, of M.

    Eq. (1) in [1] where nothing is missing; the factor keeps the scale where something is.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    activation : {"identity", "relu", "tanh"}
        f.

    References
    ----------
    [1] Song. A review of multimodal medical image classification based on deep learning.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, activation: str = "identity"):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        self.project = nn.ModuleList(
            nn.Linear(in_channels[name], out_channels, bias=False) for name in sorted(in_channels)
        )
        self.activation = ACTIVATIONS[check_option("activation", activation, ACTIVATIONS)]()

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, None]:
        """Return z (B, D) and None; see `graphfuse.fusion.contract.enter` for the arguments and errors."""
        values, mask = enter(embeddings, present, self.in_channels)
        terms = torch.stack([project(v) for project, v in zip(self.project, values, strict=True)], 1)  # (B, M, D)
        scale = mask.shape[1] / mask.sum(1, keepdim=True)
        return self.activation(scale * terms.sum(1)), None  # without bias, W^T 0 = 0 for what is missing
