"""The loss that teaches a graph whose edges are drawn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.kernels.finite import check_finite
from graphfuse.losses.contract import nothing


class SampledGraphLoss(nn.Module):
    """REINFORCE for drawn edges: ``mean_i (b_i - correct_i) mean_j log p_ij``, b_i how often node i was right before.

    A node that does better than it used to makes its drawn edges likelier. ``b <- momentum b + (1 - momentum) correct``
    after each look in training mode, from 0.5. The logarithm is the paper's; the released code has p_ij itself. The
    sum over nodes is a mean here, so that the loss is free of their number.

    Parameters
    ----------
    num_nodes : int
        Nodes with a label; each has its own baseline.
    momentum : float
        In 0 .. 1.

    References
    ----------
    Kazi et al. (2023). Differentiable graph module (DGM) for graph convolutional networks. IEEE TPAMI 45.
    """

    def __init__(self, num_nodes: int, momentum: float = 0.95):
        super().__init__()
        self.momentum = check_range("momentum", momentum, 0, 1)
        self.register_buffer("baseline", torch.full((num_nodes,), 0.5))

    def forward(self, log_probability: Tensor, correct: Tensor, rows: Tensor) -> Tensor:
        """Return the loss.

        Parameters
        ----------
        log_probability : tensor (B, k)
            ``log p_ij`` of the edges that were drawn for each node.
        correct : bool tensor (B,)
            Whether the class predicted from them was the label's; training labels only.
        rows : int tensor (B,)
            Which nodes they are, each once.

        Raises
        ------
        NonFinite, ShapeMismatch
        """
        check_finite("log_probability", check_shape("log_probability", log_probability, (len(rows), None)))
        correct = check_shape("correct", correct, (len(rows),)).to(self.baseline)
        reward = (self.baseline[rows] - correct).to(log_probability)
        if self.training:
            self.baseline[rows] = self.momentum * self.baseline[rows] + (1 - self.momentum) * correct
        return (reward * log_probability.mean(1)).mean() if len(rows) else nothing(log_probability)
