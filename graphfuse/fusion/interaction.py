"""Multiplicative interaction."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_option
from graphfuse.fusion.bilinear import bilinear_form
from graphfuse.fusion.contract import enter
from graphfuse.fusion.product import LARGEST, check_product, check_size


class InteractionFusion(nn.Module):
    """Multiplicative interaction ``z_k = c^T W_k v + (U c + V v + b)_k``, v the other modalities side by side.

    One modality c acts on the others through a full tensor W (D, d_c, d_v); modulation and bilinear forms are special
    cases of it. A missing modality is 0, so that its terms vanish: without c, z = V v + b.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    condition : str or None
        The modality c; None = the first by name.
    limit : int
        Largest product ``d_c d_v``; W has D times as many numbers.

    Raises
    ------
    InvalidOption
        `condition` is none of the modalities.
    MemoryBudget
        ``d_c d_v`` is larger than `limit`.

    Notes
    -----
    The paper has two inputs; v of several modalities is ours. W starts uniform in ``+-(d_c d_v)^-1/2``, ours too.

    References
    ----------
    Jayakumar et al. (2020). Multiplicative interactions and where to find them. ICLR.
    """

    def __init__(
        self,
        in_channels: Mapping[str, int],
        out_channels: int,
        condition: str | None = None,
        limit: int = LARGEST,
    ):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        names = sorted(in_channels)
        self.condition = check_option("condition", names[0] if condition is None else condition, names)
        self.place = names.index(self.condition)
        width = in_channels[self.condition]
        others = sum(in_channels.values()) - width
        bound = max(check_size([width, others], limit), 1) ** -0.5
        self.weight = nn.Parameter(torch.empty(out_channels, width, others).uniform_(-bound, bound))
        self.linear = nn.Linear(width + others, out_channels)  # [U || V] and b

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, None]:
        """Return z (B, D) and None; see `graphfuse.fusion.contract.enter` for the arguments and errors.

        Raises `NonFinite`, too, where the product of c and another embedding would be too large.
        """
        values, _ = enter(embeddings, present, self.in_channels)
        c = values.pop(self.place)
        v = torch.cat([c[:, :0], *values], 1)  # (B, d_v); without others, 0 columns
        check_product([c, v])
        return bilinear_form(c, self.weight, v) + self.linear(torch.cat([c, v], 1)), None
