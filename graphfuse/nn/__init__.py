"""Layers that know no brains: convolutions, deep stacks, poolings, readouts, learned graphs, encoders."""

from __future__ import annotations

from graphfuse.nn.conv import (
    ChebConv,
    ConnectivityConv,
    EdgeToEdge,
    EdgeToNode,
    GATConv,
    GATv2Conv,
    GCNConv,
    GCNIIConv,
    GENConv,
    GINConv,
    GraphConv,
    HypergraphConv,
    NodeToGraph,
    RGCNConv,
    ROIAwareConv,
    SAGEConv,
    TransformerConv,
)
from graphfuse.nn.cross_diffusion import CrossDiffusion
from graphfuse.nn.deep import DeepStack
from graphfuse.nn.drop_edge import DropEdge
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.encoder import CONVS, GraphEncoder, PyGEncoder
from graphfuse.nn.garo import GARO
from graphfuse.nn.jumping import jumping_readout
from graphfuse.nn.masked_norm import MaskedBatchNorm
from graphfuse.nn.node_gate import NodeGate
from graphfuse.nn.pool import ClusterPooling, EigenPooling, StructurePooling, TopKPooling
from graphfuse.nn.readout import READOUTS, AttentionReadout, make_readout, max_readout, mean_readout
from graphfuse.nn.sero import SERO
from graphfuse.nn.simplex import sparsemax
from graphfuse.nn.temporal import AttentionPooling, GRUReadout, LSTMReadout, TimeTransformer

__all__ = [
    "CONVS",
    "GARO",
    "READOUTS",
    "SERO",
    "AttentionPooling",
    "AttentionReadout",
    "ChebConv",
    "ClusterPooling",
    "ConnectivityConv",
    "CrossDiffusion",
    "DeepStack",
    "DropEdge",
    "Dropout",
    "EdgeToEdge",
    "EdgeToNode",
    "EigenPooling",
    "GATConv",
    "GATv2Conv",
    "GCNConv",
    "GCNIIConv",
    "GENConv",
    "GINConv",
    "GRUReadout",
    "GraphConv",
    "GraphEncoder",
    "HypergraphConv",
    "LSTMReadout",
    "MaskedBatchNorm",
    "NodeGate",
    "NodeToGraph",
    "PyGEncoder",
    "RGCNConv",
    "ROIAwareConv",
    "SAGEConv",
    "StructurePooling",
    "TimeTransformer",
    "TopKPooling",
    "TransformerConv",
    "jumping_readout",
    "make_readout",
    "max_readout",
    "mean_readout",
    "sparsemax",
]
