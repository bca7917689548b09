"""Low-rank tensor fusion."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.fusion.contract import enter
from graphfuse.fusion.product import append_one, check_product


class LowRankFusion(nn.Module):
    """Low-rank form of the outer product, ``z = sum_r w_r prod_m F_m^(r)^T [v_m; 1] + b``, the tensor never made.

    It is `OuterFusion` with the weight ``W_d = sum_r w_r F_1^(r)_d (x) .. (x) F_M^(r)_d``, at ``r sum_m (d_m + 1) D``
    numbers. A missing v_m is 0: it leaves the row of F_m that its 1 meets.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    rank : int
        Number of terms; the paper tunes it, the default is ours.

    Notes
    -----
    The paper sums the terms; a learned w_r is its authors' code. Our F_m starts with the standard deviation
    ``(d_m + 1)^-1/2`` and w_r at ``rank^-1/2``, so that z starts with about the scale of a product of standardised
    numbers, however many modalities there are (the paper's initialisation shrinks with their number).

    References
    ----------
    Liu et al. (2018). Efficient low-rank multimodal fusion with modality-specific factors. ACL.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, rank: int = 4):
        super().__init__()
        check_range("rank", rank, 1)
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        widths = [in_channels[name] + 1 for name in sorted(in_channels)]
        self.factors = nn.ParameterList(torch.randn(rank, width, out_channels) * width**-0.5 for width in widths)
        self.weight = nn.Parameter(torch.full((rank,), rank**-0.5))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, None]:
        """Return z (B, D) and None; see `graphfuse.fusion.contract.enter` for the arguments and errors.

        Raises `NonFinite`, too, where the product of a subject's embeddings would be too large.
        """
        values, _ = enter(embeddings, present, self.in_channels)
        check_product(values)
        parts = [append_one(v) @ factor for v, factor in zip(values, self.factors, strict=True)]  # M times (r, B, D)
        return torch.einsum("r,rbd->bd", self.weight, torch.stack(parts).prod(0)) + self.bias, None
