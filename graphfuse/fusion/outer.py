"""Fusion by the outer product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from torch import Tensor, nn

from graphfuse.fusion.contract import enter
from graphfuse.fusion.product import LARGEST, append_one, check_product, check_size


def outer_product(values: Sequence[Tensor]) -> Tensor:
    """Return ``[v_1; 1] (x) .. (x) [v_M; 1]``, (B, prod_m (d_m + 1)), the index of the last modality running fastest.

    Parameters
    ----------
    values : sequence of tensor (B, d_m)
    """
    return reduce(lambda left, right: (left[:, :, None] * right[:, None]).flatten(1), map(append_one, values))


class OuterFusion(nn.Module):
    """Tensor fusion ``z = W vec([v_1; 1] (x) .. (x) [v_M; 1])``, eq. (2) in [1] and a linear map.

    The appended 1 keeps the products of any subset of modalities, each v_m itself, and a constant, so that W needs no
    bias. A missing v_m is 0: it leaves its 1, hence the products of those that are there.

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    limit : int
        Largest size ``prod_m (d_m + 1)`` of a subject's tensor; W has D times as many numbers.

    Raises
    ------
    MemoryBudget
        The tensor is larger than `limit`.

    References
    ----------
    [1] Song. A review of multimodal medical image classification based on deep learning.
    Zadeh et al. (2017). Tensor fusion network for multimodal sentiment analysis. EMNLP.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, limit: int = LARGEST):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        size = check_size([in_channels[name] + 1 for name in sorted(in_channels)], limit)
        self.project = nn.Linear(size, out_channels, bias=False)

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, None]:
        """Return z (B, D) and None; see `graphfuse.fusion.contract.enter` for the arguments and errors.

        Raises `NonFinite`, too, where the product of a subject's embeddings would be too large.
        """
        values, _ = enter(embeddings, present, self.in_channels)
        check_product(values)
        return self.project(outer_product(values)), None
