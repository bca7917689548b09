"""Batch normalisation of the rows that are there."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm


class MaskedBatchNorm(nn.BatchNorm1d):
    """``y = (x - mean) / sqrt(var + eps) * weight + bias``, mean and variance over the rows that count.

    As `torch.nn.BatchNorm1d`, whose state it takes. A batch of one row has no variance: there
    the running statistics are used in training too, where torch stops.

    Parameters
    ----------
    num_features : int
        D.
    """

    def forward(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        """Return a tensor of the shape of x (..., D); `rows`, bool (...), says which count. The others give zeros."""
        if rows is None:
            return self._normalise(x.flatten(0, -2)).view_as(x)
        return torch.zeros_like(x).masked_scatter(rows[..., None].expand_as(x), self._normalise(x[rows]))

    def _normalise(self, x: Tensor) -> Tensor:
        if len(x) > 1 or not self.training:
            return super().forward(x) if len(x) else x
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
