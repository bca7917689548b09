"""Which regions and edges a model's held-out scores rest on, and how well the folds agree about them."""

from graphfuse.explain.attribution import integrated_gradients, score_change
from graphfuse.explain.contribution import Contribution, contributions
from graphfuse.explain.importance import edge_importance, network_importance, region_importance
from graphfuse.explain.stability import fold_icc, rank_stability, top_share

__all__ = [
    "Contribution",
    "contributions",
    "edge_importance",
    "fold_icc",
    "integrated_gradients",
    "network_importance",
    "rank_stability",
    "region_importance",
    "score_change",
    "top_share",
]
