"""What fusions that multiply embeddings share: the appended one, and products that stay small enough."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from graphfuse._check import check_range
from graphfuse.errors import MemoryBudget
from graphfuse.kernels.finite import LIMIT, check_finite

LARGEST = 2**20  # numbers that the outer product of one subject's embeddings may have


def append_one(v: Tensor) -> Tensor:
    """Return ``[v; 1]``, (B, d + 1), of v (B, d): a product of such vectors keeps every product of fewer of them."""
    return torch.cat([v, v.new_ones(len(v), 1)], 1)


def check_product(values: Sequence[Tensor]) -> None:
    """Raise `NonFinite` if a product of numbers, at most one of each embedding (B, d_m), is beyond `LIMIT`."""
    with torch.no_grad():
        largest = [v.abs().amax(1).clamp(min=1) for v in values if v.shape[1]]
        check_finite("the product of a subject's embeddings", torch.stack(largest).prod(0), LIMIT)


def check_size(widths: Sequence[int], limit: int) -> int:
    """Return how many numbers an outer product of these widths has, or raise `MemoryBudget` if more than `limit`."""
    size = prod(widths)
    if size > check_range("limit", limit, 1):
        raise MemoryBudget(
            f"An outer product of widths {list(widths)} has {size} numbers; at most {limit} are allowed. Narrow the "
            "embeddings, take LowRankFusion, or raise limit=."
        )
    return size
