"""Sums and softmax over the edges of each row: a row owns its edges, so the same bits come out of every run."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse.kernels.csr import BlockCSR


def row_sum(message: Tensor, pattern: BlockCSR) -> Tensor:
    """Return ``y_r = sum over the edges e of row r of message_e``, zero in a row without an edge.

    Parameters
    ----------
    message : tensor (E, ...)
        One entry for each stored edge.
    pattern : BlockCSR

    Returns
    -------
    tensor (G * R, ...)
    """
    return torch.segment_reduce(message, "sum", offsets=pattern.crow.long(), axis=0)


def row_softmax(score: Tensor, pattern: BlockCSR, edge: Tensor) -> Tensor:
    """Return ``alpha_e = exp(score_e) / sum over the edges f of its row of exp(score_f)``.

    Parameters
    ----------
    score : tensor (E, ...)
    pattern : BlockCSR
    edge : bool tensor (E,)
        False where a stored edge is none, for its weight is zero: alpha is zero there.

    Returns
    -------
    tensor (E, ...)
        In every row with an edge they sum to 1.
    """
    absent = ~edge.view(-1, *[1] * (score.dim() - 1))
    score = score.masked_fill(absent, -torch.inf)
    power = (score - _peak(score.detach(), pattern)).exp()
    total = row_sum(power, pattern)
    return power / total.where(total > 0, 1.0).index_select(0, pattern.row)


def _peak(score: Tensor, pattern: BlockCSR) -> Tensor:
    """Largest score of the row of each edge, (E, ...), by which a softmax may be shifted; 0 where a row has no edge."""
    peak = torch.segment_reduce(score, "max", offsets=pattern.crow.long(), axis=0)
    return peak.where(peak > -torch.inf, 0.0).index_select(0, pattern.row)
