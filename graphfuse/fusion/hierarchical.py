"""Hierarchical fusion: one fusion at each depth of the encoders, and a trunk through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse._check import check_range
from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.fusion.named import make_fusion
from graphfuse.kernels.finite import check_finite


class Step(NamedTuple):
    """What one level gives.

    Parameters
    ----------
    u : tensor (B, D)
        The trunk after the level.
    weights : tensor (B, M) or None
        Of the level's fusion.
    messages : dict of tensor (B, d_m of the next level)
        What the branches receive; empty at the last level, or without `bidirectional`.
    """

    u: Tensor
    weights: Tensor | None
    messages: dict[str, Tensor]


class HierarchicalFusion(nn.Module):
    """Fusion over L levels: ``f_l = op_l(z^l)``, ``u_l = relu(W_l [u_(l-1) || f_l] + b_l)``, ``u_0 = 0``.

    With `bidirectional` the branches hear of it: ``z_m^(l+1) <- z_m^(l+1) + V_lm f_l``. `forward` does that with levels
    that are all at hand; the encoders then do not see it. A caller whose encoders shall see it runs `step` level by
    level and adds ``messages[m]`` to what leaves the (l+1)-th layer of branch m before going on to the next layer. Of
    who lacks m, both are without effect, as every fusion drops what is missing.

    A level is the output of a layer or a pooling stage of each encoder. The form of the block, a linear layer and a
    relu, is ours.

    Parameters
    ----------
    in_channels : sequence of dict of int
        Width d_m^l of each modality at each of the L levels; the same modalities at all.
    out_channels : int
        Width D of f_l and u_l.
    fusion : str, callable, or sequence of L of them
        op_l, as `graphfuse.fusion.make_fusion` takes it.
    bidirectional : bool
        Make the maps V_lm.

    Raises
    ------
    InvalidOption
        No level, modalities that differ by level, or fusions that are not one a level.

    References
    ----------
    Li et al. (2024). A review of deep learning-based information fusion techniques for multimodal medical image
    classification. arXiv 2404.15022.
    """

    def __init__(
        self,
        in_channels: Sequence[Mapping[str, int]],
        out_channels: int,
        fusion: str | Callable[..., nn.Module] | Sequence = "gated",
        bidirectional: bool = False,
    ):
        super().__init__()
        self.in_channels, self.out_channels = _levels(in_channels), out_channels
        fusions = [fusion] * len(in_channels) if isinstance(fusion, str) or callable(fusion) else list(fusion)
        if len(fusions) != len(in_channels):
            raise InvalidOption(
                f"fusion must be one, or one a level; got {len(fusions)} for {len(in_channels)} levels."
            )
        self.fusions = nn.ModuleList(
            make_fusion(op, widths, out_channels) for op, widths in zip(fusions, self.in_channels, strict=True)
        )
        self.blocks = nn.ModuleList(nn.Linear(2 * out_channels, out_channels) for _ in fusions)
        following = self.in_channels[1:] if bidirectional else []
        self.back = nn.ModuleList(
            nn.ModuleList(nn.Linear(out_channels, widths[name], bias=False) for name in sorted(widths))
            for widths in following
        )

    def forward(
        self, levels: Sequence[Mapping[str, Tensor]], present: Mapping[str, Tensor]
    ) -> tuple[Tensor, list[Step]]:
        """Return u_L (B, D) and what every level gave; ``[step.u for step in steps]`` are for deep supervision.

        Parameters
        ----------
        levels : sequence of L dicts of tensor (B, d_m^l)
        present : dict of bool tensor (B,)

        Raises
        ------
        ShapeMismatch
            Not L levels; see `graphfuse.fusion.contract.enter` for the rest.
        """
        if len(levels) != len(self.fusions):
            raise ShapeMismatch(
                f"This fusion has {len(self.fusions)} levels; got {len(levels)}. Give one dict a level."
            )
        steps, messages, u = [], {}, None
        for level, embeddings in enumerate(levels):
            heard = {name: z + messages[name] if name in messages else z for name, z in embeddings.items()}
            steps.append(self.step(level, heard, present, u))
            u, messages = steps[-1].u, steps[-1].messages
        return u, steps

    def step(
        self, level: int, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor], u: Tensor | None = None
    ) -> Step:
        """Return what the level, from 0, makes of embeddings (B, d_m^l) and of the trunk u (B, D), None before it."""
        f, weights = self.fusions[level](embeddings, present)  # (B, D)
        u = torch.zeros_like(f) if u is None else u
        back = self.back[level] if level < len(self.back) else []
        messages = {name: send(f) for name, send in zip(sorted(embeddings), back, strict=False)}
        return Step(self.blocks[level](torch.cat([u, f], 1)).relu(), weights, messages)


def _levels(in_channels: Sequence[Mapping[str, int]]) -> list[dict[str, int]]:
    levels = [dict(widths) for widths in in_channels]
    if not levels or any(widths.keys() != levels[0].keys() for widths in levels):
        raise InvalidOption(
            f"in_channels must be one dict a level, of the same modalities; got {[sorted(w) for w in levels]}."
        )
    return levels


def deep_supervision_loss(logits: Sequence[Tensor], y: Tensor, weight: float = 0.3) -> Tensor:
    """Return ``CE(logits_L, y) + weight sum_(l < L) CE(logits_l, y)``: the head of u_L leads, those before it help.

    Parameters
    ----------
    logits : sequence of L tensors (B, C)
        A head on each u_l.
    y : int tensor (B,)
    weight : float
        Of an auxiliary head; the source states none, 0.3 is ours.

    Raises
    ------
    InvalidOption
        A negative weight, or no logits.
    NonFinite
        A NaN or an infinity among the logits.

    References
    ----------
    Lee et al. (2015). Deeply-supervised nets. AISTATS.
    """
    check_range("weight", weight, 0.0)
    check_range("The number of heads", len(logits), 1)
    *auxiliary, last = [cross_entropy(check_finite("logits", scores), y) for scores in logits]
    return last + weight * sum(auxiliary)
