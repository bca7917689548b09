"""Signals to connectomes: batched torch on any device, each subject alone except where a class has ``fit``."""

from graphfuse.connectome.cofluctuation import edge_amplitude, edge_series, high_amplitude_frames
from graphfuse.connectome.distribution import Densities, density_similarity, distribution_similarity, region_densities
from graphfuse.connectome.edge_statistics import edge_t
from graphfuse.connectome.functional import (
    KINDS,
    correlation,
    covariance,
    fisher_z,
    functional_connectivity,
    partial_correlation,
    precision,
)
from graphfuse.connectome.individual import IndividualNetwork, individual_network
from graphfuse.connectome.information import (
    gaussian_information,
    mutual_information,
    normalised_mutual_information,
)
from graphfuse.connectome.lagged import Lagged, lagged_correlation
from graphfuse.connectome.leading import analytic_phase, leading_eigenvectors
from graphfuse.connectome.measures import MEASURES, regional_measures
from graphfuse.connectome.morphometric import SIMILARITIES, morphometric_similarity
from graphfuse.connectome.network_statistic import NetworkStatistic, network_based_statistic
from graphfuse.connectome.rank import spearman
from graphfuse.connectome.shrinkage import ESTIMATORS, empirical, ledoit_wolf
from graphfuse.connectome.spectral import coherence, phase_locking
from graphfuse.connectome.stream import stream_connectomes
from graphfuse.connectome.tangent import (
    REFERENCES,
    TangentSpace,
    geometric_mean,
    log_euclidean_mean,
    tangent_map,
)
from graphfuse.connectome.vectorise import edge_names, from_upper_triangle, upper_triangle
from graphfuse.connectome.windows import (
    TAPERS,
    iterate_connectivity,
    packed_connectivity,
    sliding_connectivity,
    sliding_windows,
    taper_weights,
)

__all__ = [
    "ESTIMATORS",
    "KINDS",
    "MEASURES",
    "REFERENCES",
    "SIMILARITIES",
    "TAPERS",
    "Densities",
    "IndividualNetwork",
    "Lagged",
    "NetworkStatistic",
    "TangentSpace",
    "analytic_phase",
    "coherence",
    "correlation",
    "covariance",
    "density_similarity",
    "distribution_similarity",
    "edge_amplitude",
    "edge_names",
    "edge_series",
    "edge_t",
    "empirical",
    "fisher_z",
    "from_upper_triangle",
    "functional_connectivity",
    "gaussian_information",
    "geometric_mean",
    "high_amplitude_frames",
    "individual_network",
    "iterate_connectivity",
    "lagged_correlation",
    "leading_eigenvectors",
    "ledoit_wolf",
    "log_euclidean_mean",
    "morphometric_similarity",
    "mutual_information",
    "network_based_statistic",
    "normalised_mutual_information",
    "packed_connectivity",
    "partial_correlation",
    "phase_locking",
    "precision",
    "region_densities",
    "regional_measures",
    "sliding_connectivity",
    "sliding_windows",
    "spearman",
    "stream_connectomes",
    "tangent_map",
    "taper_weights",
    "upper_triangle",
]
