"""Poolings: ``pool(x (G, R, D), adjacency, nodes) -> Pooled``, G graphs of fewer nodes."""

from __future__ import annotations

from graphfuse.nn.pool.cluster import ClusterPooling, clustering_loss
from graphfuse.nn.pool.contract import Pooled
from graphfuse.nn.pool.eigen import EigenPooling
from graphfuse.nn.pool.keep import induced_subgraph, two_hops
from graphfuse.nn.pool.levels import pool_levels, survived
from graphfuse.nn.pool.spectral import fourier_basis, mean_graph, spectral_clusters
from graphfuse.nn.pool.structure import StructurePooling, information_score
from graphfuse.nn.pool.topk import TopKPooling

__all__ = [
    "ClusterPooling",
    "EigenPooling",
    "Pooled",
    "StructurePooling",
    "TopKPooling",
    "clustering_loss",
    "fourier_basis",
    "induced_subgraph",
    "information_score",
    "mean_graph",
    "pool_levels",
    "spectral_clusters",
    "survived",
    "two_hops",
]
