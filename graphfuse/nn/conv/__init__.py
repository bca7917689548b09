"""Graph convolutions: ``conv(x (G, R, F), adjacency) -> (G, R, D)``."""

from __future__ import annotations

from graphfuse.nn.conv.cheb import ChebConv
from graphfuse.nn.conv.connectivity import ConnectivityConv
from graphfuse.nn.conv.gat import GATConv
from graphfuse.nn.conv.gatv2 import GATv2Conv
from graphfuse.nn.conv.gcn import GCNConv
from graphfuse.nn.conv.transformer import TransformerConv

__all__ = ["ChebConv", "ConnectivityConv", "GATConv", "GATv2Conv", "GCNConv", "TransformerConv"]
