"""Graph theory by region: weights (B, R, R) -> one number a region, each graph alone; equal to networkx's values."""

from graphfuse.connectome.measures.communities import FINDERS, communities_of, greedy, louvain
from graphfuse.connectome.measures.neighbours import degree, strength
from graphfuse.connectome.measures.partition import modularity, modularity_part, participation
from graphfuse.connectome.measures.paths import (
    betweenness,
    efficiency,
    local_efficiency,
    weighted_betweenness,
    weighted_efficiency,
)
from graphfuse.connectome.measures.regional import MEASURES, check_measures, regional_measures
from graphfuse.connectome.measures.triangles import clustering, weighted_clustering

__all__ = [
    "FINDERS",
    "MEASURES",
    "betweenness",
    "check_measures",
    "clustering",
    "communities_of",
    "degree",
    "efficiency",
    "greedy",
    "local_efficiency",
    "louvain",
    "modularity",
    "modularity_part",
    "participation",
    "regional_measures",
    "strength",
    "weighted_betweenness",
    "weighted_clustering",
    "weighted_efficiency",
]
