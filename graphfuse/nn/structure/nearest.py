"""The k best candidates of each row, in an order that does not depend on how many others there are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def best_first(score: Tensor, candidates: Tensor | None, k: int) -> tuple[Tensor, Tensor]:
    """Return the places of the k best candidates of the last dimension, and which of them exist; ties go by position.

    Both are (..., k) whatever the number of columns; a place without a candidate is 0.
    """
    score = score.detach() if candidates is None else score.detach().masked_fill(~candidates, -torch.inf)
    best, place = (part[..., :k] for part in score.sort(dim=-1, descending=True, stable=True))
    missing = (0, k - place.shape[-1])
    exist = pad(best > -torch.inf, missing)
    return torch.where(exist, pad(place, missing), 0), exist
