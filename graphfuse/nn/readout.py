"""From nodes to one vector a graph: ``readout(x (G, R, D), nodes (G, R) bool or None) -> (G, D')``.

Values at nodes that are not usable never enter; a graph without a usable node gives zeros.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from graphfuse._check import check_option, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.finite import LIMIT, check_finite


def mask_nodes(x: Tensor, nodes: Tensor | None, fill: float = 0.0) -> Tensor:
    """Return x (G, R, D) with `fill` at the nodes that are not usable; not even a NaN there passes.

    Raises `NonFinite` for a NaN, or a number beyond `LIMIT`, at a usable one.
    """
    if nodes is not None:
        check_shape("nodes", nodes, tuple(x.shape[:2]))
        # As a rule a builder has put zeros there, and x need not be copied.
        if x.requires_grad or bool((x[~nodes] != 0).any()):
            x = torch.where(nodes[..., None], x, 0.0)
    check_finite("x at usable nodes", x, LIMIT)
    return x if nodes is None or fill == 0 else torch.where(nodes[..., None], x, fill)


def mean_readout(x: Tensor, nodes: Tensor | None = None) -> Tensor:
    """Return the mean over usable nodes, (G, D)."""
    if nodes is None:
        return mask_nodes(x, None).mean(1)
    return mask_nodes(x, nodes).sum(1) / nodes.sum(1, keepdim=True).clamp(min=1)


def max_readout(x: Tensor, nodes: Tensor | None = None) -> Tensor:
    """Return the largest value over usable nodes, (G, D)."""
    if nodes is None:
        return mask_nodes(x, None).max(1).values  # whose gradient is several times quicker than that of amax
    largest = mask_nodes(x, nodes, torch.finfo(x.dtype).min).max(1).values
    return torch.where(nodes.any(1, keepdim=True), largest, 0.0)


def mean_max_readout(x: Tensor, nodes: Tensor | None = None) -> Tensor:
    """Return ``[max || mean]`` over usable nodes, (G, 2 D), in the order of HGP-SL and BrainGNN."""
    return torch.cat([max_readout(x, nodes), mean_readout(x, nodes)], -1)


def flatten_readout(x: Tensor, nodes: Tensor | None = None) -> Tensor:
    """Return the nodes side by side, (G, R D), zeros at those that are not usable: each region keeps its identity."""
    return mask_nodes(x, nodes).flatten(1)


class FixedReadout(nn.Module):
    """A readout without parameters, as a module.

    Parameters
    ----------
    function : callable (x, nodes) -> (G, D')
    """

    def __init__(self, function: Callable[[Tensor, Tensor | None], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return (G, D') of x (G, R, D)."""
        return self.function(x, nodes)


class AttentionReadout(nn.Module):
    """Attention over nodes ``z = sum_r beta_r x_r``, ``beta = softmax_r(q . tanh(W x_r + b))``.

    Parameters
    ----------
    in_channels : int

    References
    ----------
    Wang et al. (2020). AM-GCN: adaptive multi-channel graph convolutional networks. KDD (the form of the attention).
    """

    def __init__(self, in_channels: int):
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(in_channels, in_channels), nn.Tanh(), nn.Linear(in_channels, 1, bias=False)
        )

    def weights(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return beta, (G, R): zero at nodes that are not usable, elsewhere summing to 1."""
        score = self.score(mask_nodes(x, nodes))[..., 0]
        if nodes is None:
            return score.softmax(1)
        beta = score.masked_fill(~nodes, torch.finfo(score.dtype).min).softmax(1)
        return torch.where(nodes, beta, 0.0)

    def forward(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return (G, D) of x (G, R, D)."""
        return (self.weights(x, nodes)[..., None] * mask_nodes(x, nodes)).sum(1)


# name -> (module of the width in, width out of the width in and the number of nodes)
READOUTS = {
    "attention": (AttentionReadout, lambda width, num_nodes: width),
    "flatten": (lambda width: FixedReadout(flatten_readout), lambda width, num_nodes: width * num_nodes),
    "max": (lambda width: FixedReadout(max_readout), lambda width, num_nodes: width),
    "mean": (lambda width: FixedReadout(mean_readout), lambda width, num_nodes: width),
    "mean-max": (lambda width: FixedReadout(mean_max_readout), lambda width, num_nodes: 2 * width),
}


def make_readout(name: str, in_channels: int, num_nodes: int | None = None) -> tuple[nn.Module, int]:
    """Return a readout and the width of what it gives.

    Parameters
    ----------
    name : {"attention", "flatten", "max", "mean", "mean-max"}
    in_channels : int
    num_nodes : int or None
        Nodes of a graph, needed by "flatten".

    Raises
    ------
    InvalidOption
        An unknown name, or "flatten" without `num_nodes`.
    """
    check_option("readout", name, READOUTS)
    if name == "flatten" and num_nodes is None:
        raise InvalidOption("readout='flatten' needs the number of nodes; got num_nodes=None. Give num_nodes=.")
    module, width = READOUTS[name]
    return module(in_channels), width(in_channels, num_nodes)
