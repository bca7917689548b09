"""Tensors only: the adjacency and what runs on it."""

from __future__ import annotations

from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.attention import edge_softmax_attention
from graphfuse.kernels.spmm import spmm, spmm_reference

__all__ = ["Adjacency", "edge_softmax_attention", "spmm", "spmm_reference"]
