"""Squeeze-and-excitation over a fixed set of nodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.nn.readout import mask_nodes


class NodeGate(nn.Module):
    """``x_r <- alpha_r x_r``, ``alpha = sigmoid(W2 relu(W1 mean_F(x)))``: each node is scaled by what all nodes say.

    EMO-GCN is described with attention over channels and slices and without a formula; this form is ours, from
    squeeze-and-excitation networks. Nodes are told apart by their place, so it is made for one set in one order.

    Parameters
    ----------
    num_nodes : int
        Nodes of a graph, R.
    reduction : int
        The hidden width is ``R / reduction``, rounded up.

    References
    ----------
    Hu, Shen and Sun (2018). Squeeze-and-excitation networks. CVPR. Xing et al. (2024). EMO-GCN. Scientific Reports 14.
    """

    def __init__(self, num_nodes: int, reduction: int = 4):
        super().__init__()
        hidden = -(-num_nodes // check_range("reduction", reduction, 1))
        self.num_nodes = num_nodes
        self.squeeze, self.excite = nn.Linear(num_nodes, hidden), nn.Linear(hidden, num_nodes)

    def weights(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return alpha, (G, R), in 0 .. 1: zero at nodes that are not usable."""
        check_shape("x", x, (None, self.num_nodes, None))
        alpha = self.excite(self.squeeze(mask_nodes(x, nodes).mean(-1)).relu()).sigmoid()
        return alpha if nodes is None else torch.where(nodes, alpha, 0.0)

    def forward(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return (G, R, F) of x (G, R, F) and usable nodes, bool (G, R) or None for all."""
        return self.weights(x, nodes)[..., None] * mask_nodes(x, nodes)
