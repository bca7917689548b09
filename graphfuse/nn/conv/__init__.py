"""Graph convolutions: ``conv(x (G, R, F), adjacency) -> (G, R, D)``."""

from __future__ import annotations

from graphfuse.nn.conv.cheb import ChebConv
from graphfuse.nn.conv.connectivity import ConnectivityConv
from graphfuse.nn.conv.edge_to_edge import EdgeToEdge, EdgeToNode, NodeToGraph
from graphfuse.nn.conv.gat import GATConv
from graphfuse.nn.conv.gatv2 import GATv2Conv
from graphfuse.nn.conv.gcn import GCNConv
from graphfuse.nn.conv.gcnii import GCNIIConv
from graphfuse.nn.conv.gen import GENConv
from graphfuse.nn.conv.gin import GINConv, gin_mlp
from graphfuse.nn.conv.graph_conv import GraphConv
from graphfuse.nn.conv.hypergraph import HypergraphConv
from graphfuse.nn.conv.relational import RGCNConv
from graphfuse.nn.conv.roi_aware import ROIAwareConv
from graphfuse.nn.conv.sage import SAGEConv
from graphfuse.nn.conv.transformer import TransformerConv

__all__ = [
    "ChebConv",
    "ConnectivityConv",
    "EdgeToEdge",
    "EdgeToNode",
    "GATConv",
    "GATv2Conv",
    "GCNConv",
    "GCNIIConv",
    "GENConv",
    "GINConv",
    "GraphConv",
    "HypergraphConv",
    "NodeToGraph",
    "RGCNConv",
    "ROIAwareConv",
    "SAGEConv",
    "TransformerConv",
    "gin_mlp",
]
