"""Tensors only: the adjacency and what runs on it."""

from __future__ import annotations

from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.attention import attend, edge_softmax_attention
from graphfuse.kernels.connectivity import connectivity_conv, connectivity_degree
from graphfuse.kernels.sampling import neighbourhood
from graphfuse.kernels.spmm import spmm, spmm_reference

__all__ = [
    "Adjacency",
    "attend",
    "connectivity_conv",
    "connectivity_degree",
    "edge_softmax_attention",
    "neighbourhood",
    "spmm",
    "spmm_reference",
]
