"""One learned gate a feature."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import LIMIT, check_finite


class FeatureGate(nn.Module):
    """Gated features ``x * sigmoid(m / t)``, one m a feature or a group of features.

    The gates are what the model has learned of the features' importance. The source gives no formula; this is ours.

    Parameters
    ----------
    in_channels : int
        Features, F.
    temperature : float
        t; smaller ones bring the gates nearer to 0 and 1.
    groups : int tensor (F,) or None
        The gate of each feature, 0 .. n - 1, for example one for each region and modality; None = one each.

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite
    """

    def __init__(self, in_channels: int, temperature: float = 1.0, groups: Tensor | None = None):
        super().__init__()
        self.temperature = check_range("temperature", temperature, 0.0, open_low=True)
        gates = in_channels if groups is None else _count(torch.as_tensor(groups), in_channels)
        self.register_buffer("groups", torch.arange(in_channels) if groups is None else torch.as_tensor(groups).long())
        self.logit = nn.Parameter(torch.zeros(gates))

    def gates(self) -> Tensor:
        """Return the gates, (n,), each in 0 .. 1; 1/2 at the start."""
        return torch.sigmoid(self.logit / self.temperature)

    def l1(self) -> Tensor:
        """Return the sum of the gates, a penalty that closes those which earn nothing."""
        return self.gates().sum()

    def forward(self, x: Tensor) -> Tensor:
        """Return x (..., F) times the gates."""
        check_shape("x", x, (*x.shape[:-1], len(self.groups)))
        return check_finite("x", x, LIMIT) * self.gates()[self.groups]


def _count(groups: Tensor, in_channels: int) -> int:
    """Return how many gates the groups (F,) name."""
    if len(check_shape("groups", groups, (in_channels,))) and int(groups.min()) < 0:
        raise InvalidOption(f"groups must be >= 0; got {int(groups.min())}. Count the gates from 0.")
    return int(groups.max()) + 1 if len(groups) else 0
