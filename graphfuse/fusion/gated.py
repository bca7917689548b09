"""Gated multimodal units."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from graphfuse.fusion.contract import enter


class GatedFusion(nn.Module):
    """Gated multimodal unit ``z = sum_m g_m * h_m``, ``h_m = tanh(W_m v_m + b_m)``.

    Two modalities share one gate, ``g_1 = sigmoid(W_g [v_1 || v_2] + c)``, ``g_2 = 1 - g_1``; three and more have one
    each, ``g_m = sigmoid(W_gm [v_1 || .. || v_M] + c_m)``. A gate is as wide as z. The gates of missing modalities
    (whose v_m is 0) are handed to the present ones: ``g_m <- p_m g_m sum_j g_j / sum_j p_j g_j``.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.

    References
    ----------
    Arevalo et al. (2017). Gated multimodal units for information fusion. ICLR workshop.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        widths = [in_channels[name] for name in sorted(in_channels)]
        gates = 1 if len(widths) == 2 else len(widths)
        self.project = nn.ModuleList(nn.Linear(width, out_channels) for width in widths)
        self.gate = nn.Linear(sum(widths), gates * out_channels)

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return z (B, D), and each modality's mean share of the gates (B, M), detached, rows summing to 1.

        See `graphfuse.fusion.contract.enter` for the arguments and errors.
        """
        values, mask = enter(embeddings, present, self.in_channels)
        hidden = torch.stack([project(v).tanh() for project, v in zip(self.project, values, strict=True)], 1)
        share, total = self._gates(torch.cat(values, 1), mask)
        return (share * total * hidden).sum(1), share.detach().mean(-1)

    def _gates(self, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return each modality's share of the gates (B, M, D), and what they sum to (B, 1, D)."""
        logit = self.gate(values).unflatten(1, (-1, self.out_channels))
        logit = torch.cat([logit, -logit], 1) if mask.shape[1] == 2 else logit
        log_gate = logsigmoid(logit)  # in logarithms: a present gate may underflow, and 0 / 0 must not arise
        share = log_gate.masked_fill(~mask[..., None], -torch.inf).softmax(1)
        return share, log_gate.exp().sum(1, keepdim=True)
