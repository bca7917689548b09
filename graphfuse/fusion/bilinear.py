"""Bilinear fusion: the full form of two vectors, and its factorised pooling over any number."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.fusion.contract import enter
from graphfuse.fusion.product import check_product

EPSILON = 1e-8  # keeps the slope of a root finite at 0


def bilinear_form(left: Tensor, weight: Tensor, right: Tensor) -> Tensor:
    """Return ``z_k = left^T W_k right``, (B, D), of left (B, d_1), weight (D, d_1, d_2) and right (B, d_2)."""
    return torch.einsum("bi,dij,bj->bd", left, weight, right)


def signed_root(x: Tensor) -> Tensor:
    """Return ``x / sqrt(|x| + 1e-8)``, which is ``sign(x) sqrt(|x|)`` with a finite slope at 0."""
    return x / (x.abs() + EPSILON).sqrt()


def unit_length(x: Tensor) -> Tensor:
    """Return ``x / sqrt(|x|^2 + 1e-8)``, (B, D): rows of length 1, but for those near 0, which stay near 0."""
    return x / (x.square().sum(1, keepdim=True) + EPSILON).sqrt()


class BilinearFusion(nn.Module):
    """Factorised bilinear pooling ``z = unit(root(y))``, ``y_d = sum_{j<k} prod_{m in P} (U_m v_m)_{dk+j}``.

    Two modalities give ``y_d = v_1^T W_d v_2`` with W_d of rank k; more modalities, longer products. The signed square
    root and unit length follow. A missing modality is left out of the product: P are those that a subject has.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    factors : int
        k, the numbers that are summed for each entry of z.

    Notes
    -----
    The paper has two modalities; the product over more of them, and over those that are there, is ours.

    References
    ----------
    Yu et al. (2017). Multi-modal factorized bilinear pooling with co-attention learning for visual question
    answering. ICCV.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, factors: int = 5):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        width = out_channels * check_range("factors", factors, 1)
        self.project = nn.ModuleList(nn.Linear(in_channels[name], width, bias=False) for name in sorted(in_channels))

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, None]:
        """Return z (B, D) and None; see `graphfuse.fusion.contract.enter` for the arguments and errors.

        Raises `NonFinite`, too, where the product of a subject's embeddings would be too large.
        """
        values, mask = enter(embeddings, present, self.in_channels)
        check_product(values)
        terms = torch.stack([project(v) for project, v in zip(self.project, values, strict=True)], 1)  # (B, M, D k)
        product = torch.where(mask[..., None], terms, 1.0).prod(1)
        return unit_length(signed_root(product.unflatten(1, (self.out_channels, -1)).sum(2))), None
