"""The graph isomorphism network of Xu and others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import nn as torch_nn

from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite


class GINConv(torch_nn.Module):
    """Graph isomorphism layer ``Y = nn(A X + (1 + eps) X)``.

    Weights of edges enter as they are, negative ones too; on a graph whose edges all weigh 1 it is
    ``torch_geometric.nn.GINConv``, whose parameters have the same names and may be loaded. STAGIN writes
    ``MLP(A X + eps X)``: that is this layer with ``eps`` one less.

    Parameters
    ----------
    nn : torch.nn.Module
        ``(n, in) -> (n, out)`` for n nodes, such as `gin_mlp`; it sees the nodes of all graphs in one batch.
    eps : float
        How much more than a neighbour a node hears itself, at the start.
    train_eps : bool
        Whether eps is learned.

    Raises
    ------
    NonFinite
        In `forward`, when x or the output is not finite.

    References
    ----------
    Xu, Hu, Leskovec and Jegelka (2019). How powerful are graph neural networks? ICLR.
    Kim, Ye and Kim (2021). Learning dynamic graph representation of brain connectome with spatio-temporal attention.
    NeurIPS.
    """

    def __init__(self, nn: torch_nn.Module, eps: float = 0.0, train_eps: bool = False):
        super().__init__()
        self.nn = nn
        start = torch.full((1,), float(eps))
        if train_eps:
            self.eps = torch_nn.Parameter(start)
        else:
            self.register_buffer("eps", start)

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, out) of x (G, R, in)."""
        check_finite("x", x, LIMIT)
        y = adjacency @ x + (1 + self.eps) * x
        y = self.nn(y.flatten(0, 1)).unflatten(0, x.shape[:2])  # (G, R, out)
        return check_finite("The output of the convolution", y)


def gin_mlp(in_channels: int, out_channels: int, batch_norm: bool = True) -> torch_nn.Sequential:
    """Return STAGIN's two layers, each linear, batch normalisation, ReLU; without `batch_norm`, linear and ReLU.

    Parameters
    ----------
    in_channels, out_channels : int
        The hidden layer is as wide as the output.
    batch_norm : bool
        Over the nodes of all graphs of a batch.
    """
    layers = []
    for width in (in_channels, out_channels):
        norm = torch_nn.BatchNorm1d(out_channels) if batch_norm else torch_nn.Identity()
        layers += [torch_nn.Linear(width, out_channels), norm, torch_nn.ReLU()]
    return torch_nn.Sequential(*layers)
