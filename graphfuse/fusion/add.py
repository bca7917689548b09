"""Fusion by addition."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_option
from graphfuse.errors import InvalidOption
from graphfuse.fusion.contract import enter

ACTIVATIONS = {"identity": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh}
SCALES = {"sum": lambda count: count, "mean": lambda count: 1}  # of M modalities -> what the mean over P is times
GATES = ("equal", "learned")


class AddFusion(nn.Module):
    """Addition ``z = f(M / |P| sum_{m in P} W_m^T v_m)`` over the modalities P that a subject has, of M.

    Eq. (1) in [1] where nothing is missing; the factor keeps the scale where something is. With learned gates,
    ``z = f(M sum_{m in P} g_m W_m^T v_m)``, ``g = softmax_{m in P}(a)``, which starts as the same.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    activation : {"identity", "relu", "tanh"}
        f.
    shared_weight : bool
        One W for all modalities, which must then have one width.
    scale : {"sum", "mean"}
        "mean" has 1 in the place of M.
    gates : {"equal", "learned"}

    Raises
    ------
    InvalidOption
        An unknown name, or a shared W of modalities of several widths.

    References
    ----------
    [1] Song. A review of multimodal medical image classification based on deep learning.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        out_channels: int,
        activation: str = "identity",
        shared_weight: bool = False,
        scale: str = "sum",
        gates: str = "equal",
    ):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        widths = [in_channels[name] for name in sorted(in_channels)]
        self.project = nn.ModuleList(
            nn.Linear(width, out_channels, bias=False) for width in (_one_width(widths) if shared_weight else widths)
        )
        self.activation = ACTIVATIONS[check_option("activation", activation, ACTIVATIONS)]()
        self.scale = SCALES[check_option("scale", scale, SCALES)](len(widths))
        learned = check_option("gates", gates, GATES) == "learned"
        self.gates = nn.Parameter(torch.zeros(len(widths))) if learned else None

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Return z (B, D), and the learned gates (B, M), detached, rows summing to 1, or None.

        See `graphfuse.fusion.contract.enter` for the arguments and errors.
        """
        values, mask = enter(embeddings, present, self.in_channels)
        projects = list(self.project) * (len(values) // len(self.project))
        terms = torch.stack([project(v) for project, v in zip(projects, values, strict=True)], 1)  # (B, M, D)
        if self.gates is None:  # without bias, W^T 0 = 0 for what is missing
            return self.activation(self.scale / mask.sum(1, keepdim=True) * terms.sum(1)), None
        share = self.gates.expand(mask.shape).masked_fill(~mask, -torch.inf).softmax(1)
        return self.activation(self.scale * (share[..., None] * terms).sum(1)), share.detach()


def _one_width(widths: list[int]) -> list[int]:
    if len(set(widths)) > 1:
        raise InvalidOption(
            f"A shared weight needs modalities of one width; got widths {widths}. Take shared_weight=False."
        )
    return widths[:1]
