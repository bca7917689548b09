"""Signals to connectomes: batched torch on any device, each subject alone except where a class has ``fit``."""

from graphfuse.connectome.functional import (
    KINDS,
    correlation,
    covariance,
    fisher_z,
    functional_connectivity,
    partial_correlation,
    precision,
)
from graphfuse.connectome.morphometric import SIMILARITIES, morphometric_similarity
from graphfuse.connectome.shrinkage import ESTIMATORS, empirical, ledoit_wolf
from graphfuse.connectome.tangent import (
    REFERENCES,
    TangentSpace,
    geometric_mean,
    log_euclidean_mean,
    tangent_map,
)
from graphfuse.connectome.vectorise import edge_names, from_upper_triangle, upper_triangle

__all__ = [
    "ESTIMATORS",
    "KINDS",
    "REFERENCES",
    "SIMILARITIES",
    "TangentSpace",
    "correlation",
    "covariance",
    "edge_names",
    "empirical",
    "fisher_z",
    "from_upper_triangle",
    "functional_connectivity",
    "geometric_mean",
    "ledoit_wolf",
    "log_euclidean_mean",
    "morphometric_similarity",
    "partial_correlation",
    "precision",
    "tangent_map",
    "upper_triangle",
]
