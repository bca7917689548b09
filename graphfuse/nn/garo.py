"""Graph attention readout of STAGIN (GARO)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.readout import mask_nodes, mean_readout


class GARO(nn.Module):
    """``z = mean_r alpha_r x_r``, ``alpha_r = sigmoid(q . k_r / sqrt(d))``, ``q = W_q mean_r(x_r)``, ``k_r = W_k x_r``.

    The authors' program divides by sqrt(d) after the sigmoid, which bounds every weight by 1 / sqrt(d); the paper's
    formula is used here.

    Parameters
    ----------
    in_channels : int
    upscale : float
        d over `in_channels`.
    dropout : float
        Probability with which a weight is dropped in training.

    References
    ----------
    Kim, Ye and Kim (2021). Learning dynamic graph representation of brain connectome with spatio-temporal attention.
    NeurIPS.
    """

    def __init__(self, in_channels: int, upscale: float = 1.0, dropout: float = 0.1):
        super().__init__()
        hidden = round(upscale * in_channels)
        self.embed_query, self.embed_key = nn.Linear(in_channels, hidden), nn.Linear(in_channels, hidden)
        self.dropout = Dropout(check_range("dropout", dropout, 0.0, 1.0))

    def weights(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return alpha, (G, R), in 0 .. 1: zero at nodes that are not usable."""
        query = self.embed_query(mean_readout(x, nodes))  # (G, d)
        key = self.embed_key(mask_nodes(x, nodes))  # (G, R, d)
        alpha = ((key @ query[..., None])[..., 0] / query.shape[-1] ** 0.5).sigmoid()
        return alpha if nodes is None else torch.where(nodes, alpha, 0.0)

    def forward(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return (G, D) of x (G, R, D) and usable nodes, bool (G, R) or None for all."""
        alpha = self.dropout(self.weights(x, nodes))
        return mean_readout(alpha[..., None] * mask_nodes(x, nodes), nodes)
