"""How far two people are associated, from their phenotypes (EV-GCN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.structure.contract import among, enter
from graphfuse.nn.structure.geometry import cosines, unit_rows


def association(cosine: Tensor) -> Tensor:
    """Return ``(cos + 1) / 2``, in 0 .. 1 whatever the rounding."""
    return ((cosine + 1.0) / 2.0).clamp(0.0, 1.0)


class PairwiseAssociation(nn.Module):
    """Pairwise association encoder ``w_ij = (cos(h_i, h_j) + 1) / 2``, ``h = MLP(x)`` with one MLP for both ends.

    ``MLP = Linear, ReLU, LayerNorm, Dropout, Linear``. The authors normalise over a batch of edges; a layer norm is
    ours, so that a weight depends on its two people alone. Phenotypes are standardised by the caller. Called, it is
    dense, R x R numbers a graph; `pairs` takes as many pairs as there are.

    Parameters
    ----------
    in_channels : int
        Phenotypes of a person, d.
    hidden, out_channels : int
        Widths of the two layers.
    dropout : float

    Raises
    ------
    InvalidOption, ShapeMismatch, NonFinite, MemoryBudget

    References
    ----------
    Huang and Chung (2020). Edge-variational graph convolutional networks for uncertainty-aware disease prediction.
    MICCAI; widths and dropout of the authors' public code.
    """

    def __init__(self, in_channels: int, hidden: int = 128, out_channels: int = 128, dropout: float = 0.2):
        super().__init__()
        self.in_channels = in_channels
        self.encoder = nn.Sequential(
            nn.Linear(in_channels, hidden),
            nn.ReLU(),
            nn.LayerNorm(hidden),
            Dropout(check_range("dropout", dropout, 0.0, 1.0)),
            nn.Linear(hidden, out_channels),
        )

    def forward(self, x: Tensor, candidates: Tensor | None = None) -> Tensor:
        """Return weights (G, R, R) of x (G, R, d) among the candidates (G, R, R)."""
        enter(x, candidates, self.in_channels)
        return among(association(cosines(self.encoder(x))), candidates)

    def pairs(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Return the weight of each pair, (E,).

        Parameters
        ----------
        x : tensor (N, d)
        edge_index : int64 tensor (2, E)
            The two people of each pair.
        """
        check_finite("x", check_shape("x", x, (None, self.in_channels)), LIMIT)
        first, second = check_shape("edge_index", edge_index, (2, None)).long()
        last = len(x) - 1
        outside = int(((edge_index < 0) | (edge_index > last)).sum())
        if outside:
            raise InvalidOption(f"edge_index must lie in 0 .. {last}; {outside} numbers do not. Count people from 0.")
        units = unit_rows(self.encoder(x))
        return association(check_finite("Cosines", torch.linalg.vecdot(units[first], units[second])))
