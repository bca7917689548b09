"""Layers that know no brains: convolutions, readouts, encoders."""

from __future__ import annotations

from graphfuse.nn.conv import ChebConv, ConnectivityConv, GATConv, GATv2Conv, GCNConv, TransformerConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.encoder import CONVS, GraphEncoder, PyGEncoder
from graphfuse.nn.readout import READOUTS, AttentionReadout, make_readout, max_readout, mean_readout

__all__ = [
    "CONVS",
    "READOUTS",
    "AttentionReadout",
    "ChebConv",
    "ConnectivityConv",
    "Dropout",
    "GATConv",
    "GATv2Conv",
    "GCNConv",
    "GraphEncoder",
    "PyGEncoder",
    "TransformerConv",
    "make_readout",
    "max_readout",
    "mean_readout",
]
