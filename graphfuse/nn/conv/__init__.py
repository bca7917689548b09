"""Graph convolutions: ``conv(x (G, R, F), adjacency) -> (G, R, D)``."""

from __future__ import annotations

from graphfuse.nn.conv.cheb import ChebConv
from graphfuse.nn.conv.gat import GATConv
from graphfuse.nn.conv.gcn import GCNConv

__all__ = ["ChebConv", "GATConv", "GCNConv"]
