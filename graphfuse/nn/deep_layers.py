"""What deep stacks are made of: the rule by which a layer follows those before it.

A rule is ``rule(layer, before, adjacency) -> (G, R, D)``; `before` lists what the earlier layers gave, the input of the
stack for the first. Dropout stands before each convolution. Of the sources, those of "res+" and GCNII put it there and
"plain", "res" and "dense" state none: its place in these is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from graphfuse.kernels import Adjacency
from graphfuse.nn.dropout import Dropout

Rule = Callable[["DeepLayer", Sequence[Tensor], Adjacency], Tensor]


class DeepLayer(nn.Module):
    """A convolution, a norm and a dropout, put together by a rule.

    Parameters
    ----------
    rule : callable (layer, before, adjacency) -> tensor (G, R, D)
    conv, norm : torch.nn.Module
    dropout : float
    """

    def __init__(self, rule: Rule, conv: nn.Module, norm: nn.Module, dropout: float):
        super().__init__()
        self.rule, self.conv, self.norm, self.dropout = rule, conv, norm, Dropout(dropout)

    def forward(self, before: Sequence[Tensor], adjacency: Adjacency) -> Tensor:
        """Return (G, R, D)."""
        return self.rule(self, before, adjacency)


class NodeLinear(nn.Linear):
    """A linear layer ``y_i = W x_i + b`` with the call of a convolution; it hears no neighbour."""

    hops = 0

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, out) of x (G, R, in)."""
        return super().forward(x)


def bare(layer: DeepLayer, before: Sequence[Tensor], adjacency: Adjacency) -> Tensor:
    """``conv(dropout(h))``."""
    return layer.conv(layer.dropout(before[-1]), adjacency)


def plain(layer: DeepLayer, before: Sequence[Tensor], adjacency: Adjacency) -> Tensor:
    """``relu(norm(conv(dropout(h))))``."""
    return layer.norm(layer.conv(layer.dropout(before[-1]), adjacency)).relu()


def residual(layer: DeepLayer, before: Sequence[Tensor], adjacency: Adjacency) -> Tensor:
    """``h + relu(norm(conv(dropout(h))))``, after He and others and Li and others (2019)."""
    return before[-1] + plain(layer, before, adjacency)


def pre_activated(layer: DeepLayer, before: Sequence[Tensor], adjacency: Adjacency) -> Tensor:
    """``h + conv(dropout(relu(norm(h))))``, "res+" of Li and others (2020)."""
    h = layer.dropout(layer.norm(before[-1]).relu())
    return before[-1] + layer.conv(h, adjacency)


def dense(layer: DeepLayer, before: Sequence[Tensor], adjacency: Adjacency) -> Tensor:
    """``relu(norm(conv(dropout([h_1 || h_2 || ...]))))`` of all that came before."""
    return plain(layer, [torch.cat(list(before), -1)], adjacency)


def initial(layer: DeepLayer, before: Sequence[Tensor], adjacency: Adjacency) -> Tensor:
    """``relu(conv(dropout(h), h_0))`` with `GCNIIConv`, no norm; h_0 is what the first layer gave."""
    return layer.conv(layer.dropout(before[-1]), before[0], adjacency).relu()
