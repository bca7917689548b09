"""Squeeze-excitation readout of STAGIN (SERO)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.masked_norm import MaskedBatchNorm
from graphfuse.nn.readout import mask_nodes, mean_readout


class SERO(nn.Module):
    """``z = mean_r alpha_r x_r``, ``alpha = sigmoid(W2 gelu(BN(W1 mean_r(x_r))))``: one weight a region, from all.

    Regions are told apart by their place, so it is made for one set of regions in one order.

    Parameters
    ----------
    in_channels : int
    num_nodes : int
        Nodes of a graph, R.
    upscale : float
        Hidden width over `in_channels`.
    dropout : float
        Probability with which a weight is dropped in training.

    References
    ----------
    Kim, Ye and Kim (2021). Learning dynamic graph representation of brain connectome with spatio-temporal attention.
    NeurIPS.
    """

    def __init__(self, in_channels: int, num_nodes: int, upscale: float = 1.0, dropout: float = 0.1):
        super().__init__()
        hidden = round(upscale * in_channels)
        self.num_nodes = num_nodes
        self.embed, self.norm = nn.Linear(in_channels, hidden), MaskedBatchNorm(hidden)
        self.attend = nn.Linear(hidden, num_nodes)
        self.dropout = Dropout(check_range("dropout", dropout, 0.0, 1.0))

    def weights(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return alpha, (G, R), in 0 .. 1: zero at nodes that are not usable."""
        check_shape("x", x, (None, self.num_nodes, None))
        graphs = None if nodes is None else nodes.any(1)  # an empty one does not enter the statistics
        hidden = self.norm(self.embed(mean_readout(x, nodes)), graphs)
        alpha = self.attend(nn.functional.gelu(hidden)).sigmoid()
        return alpha if nodes is None else torch.where(nodes, alpha, 0.0)

    def forward(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return (G, D) of x (G, R, D) and usable nodes, bool (G, R) or None for all."""
        alpha = self.dropout(self.weights(x, nodes))
        return mean_readout(alpha[..., None] * mask_nodes(x, nodes), nodes)
