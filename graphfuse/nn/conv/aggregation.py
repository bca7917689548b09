"""Generalised means over the messages that reach a node: softmax and power mean of Li and others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse.errors import InvalidOption
from graphfuse.kernels.csr import BlockCSR
from graphfuse.kernels.segments import row_softmax, row_sum

LOW, HIGH = 1e-4, 100.0  # a power mean clamps its messages, and what comes of them, to this range


class SoftmaxAggregation(nn.Module):
    """Softmax aggregation ``y_i = sum_j alpha_ij m_ij``, ``alpha_i = softmax_j(t m_ij)``, channel by channel.

    The mean for t = 0, the maximum for t to infinity. A node without neighbours gets zero.

    Parameters
    ----------
    t : float
        Inverse temperature, at the start if it is learned.
    learn : bool

    References
    ----------
    Li, Xiong, Thabet and Ghanem (2020). DeeperGCN: all you need to train deeper GCNs. arXiv 2006.07739.
    """

    def __init__(self, t: float = 1.0, learn: bool = False):
        super().__init__()
        self.t = nn.Parameter(torch.full((1,), float(t))) if learn else t

    def forward(self, message: Tensor, pattern: BlockCSR, edge: Tensor) -> Tensor:
        """Return (G R, D).

        Parameters
        ----------
        message : tensor (E, D)
            One for each stored edge.
        pattern : BlockCSR
        edge : bool tensor (E,)
            False where a stored edge is none, for its weight is zero.
        """
        return row_sum(row_softmax(self.t * message, pattern, edge) * message, pattern)


class PowerMeanAggregation(nn.Module):
    """Power mean ``y_i = (mean_j m_ij^p)^(1/p)``, channel by channel; messages in 1e-4 .. 100 and clamped to it.

    With a fixed p of 1 it is the plain mean, without the clamp. A node without neighbours gets zero (PyTorch
    Geometric's power mean gives it ``1e-4^(1/p)``).

    Parameters
    ----------
    p : float
        Not zero; at the start if it is learned.
    learn : bool

    Raises
    ------
    InvalidOption
        p is zero.

    References
    ----------
    Li, Xiong, Thabet and Ghanem (2020). DeeperGCN: all you need to train deeper GCNs. arXiv 2006.07739.
    """

    def __init__(self, p: float = 1.0, learn: bool = False):
        super().__init__()
        if p == 0:
            raise InvalidOption("p must not be zero, for a power mean takes the root 1/p; got 0. Give a small p.")
        self.p = nn.Parameter(torch.full((1,), float(p))) if learn else p

    def forward(self, message: Tensor, pattern: BlockCSR, edge: Tensor) -> Tensor:
        """Return (G R, D); arguments as those of `SoftmaxAggregation`."""
        edge = edge[:, None].to(message.dtype)
        count = row_sum(edge, pattern)  # (G R, 1)
        plain = not isinstance(self.p, Tensor) and self.p == 1
        power = message if plain else message.clamp(LOW, HIGH).pow(self.p)
        mean = row_sum(power * edge, pattern) / count.clamp(min=1)
        return mean if plain else torch.where(count > 0, mean.clamp(LOW, HIGH).pow(1 / self.p), 0.0)


AGGREGATIONS = {"powermean": PowerMeanAggregation, "softmax": SoftmaxAggregation}


class MessageNorm(nn.Module):
    """Message normalisation ``scale |x_i| m_i / |m_i|``: what a node hears gets the length of what it is.

    Parameters
    ----------
    learn_scale : bool
        Whether `scale`, 1 at the start, is learned.

    References
    ----------
    Li, Xiong, Thabet and Ghanem (2020). DeeperGCN: all you need to train deeper GCNs. arXiv 2006.07739.
    """

    def __init__(self, learn_scale: bool = False):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1), requires_grad=learn_scale)

    def forward(self, x: Tensor, message: Tensor) -> Tensor:
        """Return (..., D) of x (..., F) and message (..., D)."""
        return nn.functional.normalize(message, dim=-1) * x.norm(dim=-1, keepdim=True) * self.scale
