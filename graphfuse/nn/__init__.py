"""Layers that know no brains: convolutions, readouts, encoders."""

from __future__ import annotations

from graphfuse.nn.conv import ChebConv, GATConv, GCNConv
from graphfuse.nn.encoder import CONVS, GraphEncoder, PyGEncoder
from graphfuse.nn.readout import READOUTS, AttentionReadout, make_readout, max_readout, mean_readout

__all__ = [
    "CONVS",
    "READOUTS",
    "AttentionReadout",
    "ChebConv",
    "GATConv",
    "GCNConv",
    "GraphEncoder",
    "PyGEncoder",
    "make_readout",
    "max_readout",
    "mean_readout",
]
