"""Squeeze-and-excitation over modalities."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from graphfuse._check import check_range
from graphfuse.fusion.contract import enter


class SqueezeFusion(nn.Module):
    """Squeeze and excitation ``z = sum_m y_m h_m / sum_m y_m``, ``y = sigmoid(W_2 relu(W_1 s + b_1) + b_2)``.

    ``h_m = V_m v_m + c_m`` brings the modalities to one width, and ``s_m`` is the mean of h_m over its D numbers. The
    sums run over the modalities that a subject has; a missing one has s_m = 0.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    hidden : int
        Width of W_1 s; the source does not say, the default is ours.

    References
    ----------
    Hu et al. (2018). Squeeze-and-excitation networks. CVPR.
    Zheng et al. (2022). Multi-modal graph learning for disease prediction. IEEE Transactions on Medical Imaging.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, hidden: int = 16):
        super().__init__()
        check_range("hidden", hidden, 1)
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        self.project = nn.ModuleList(nn.Linear(in_channels[name], out_channels) for name in sorted(in_channels))
        self.gate = nn.Sequential(nn.Linear(len(in_channels), hidden), nn.ReLU(), nn.Linear(hidden, len(in_channels)))

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return z (B, D), and ``y_m / sum_j y_j`` (B, M), detached, rows summing to 1.

        See `graphfuse.fusion.contract.enter` for the arguments and errors.
        """
        values, mask = enter(embeddings, present, self.in_channels)
        hidden = torch.stack([project(v) for project, v in zip(self.project, values, strict=True)], 1)  # (B, M, D)
        squeezed = torch.where(mask, hidden.mean(-1), 0.0)  # (B, M)
        # y_m / sum_j y_j, in logarithms: every y may underflow, and 0 / 0 must not arise.
        share = logsigmoid(self.gate(squeezed)).masked_fill(~mask, -torch.inf).softmax(1)
        return (share[..., None] * hidden).sum(1), share.detach()
