"""Which regions and edges a model's held-out scores rest on, and whether that can be trusted."""

from graphfuse.explain.agreement import importance_stability
from graphfuse.explain.attribution import integrated_gradients, score_change
from graphfuse.explain.checks import ImportanceChecks, importance_checks
from graphfuse.explain.contribution import Contribution, contributions
from graphfuse.explain.fidelity import faithfulness
from graphfuse.explain.importance import edge_importance, network_importance, region_importance
from graphfuse.explain.linear import linear_importance
from graphfuse.explain.randomisation import parameter_randomisation
from graphfuse.explain.stability import fold_agreement, fold_icc, rank_stability, top_share

__all__ = [
    "Contribution",
    "ImportanceChecks",
    "contributions",
    "edge_importance",
    "faithfulness",
    "fold_agreement",
    "fold_icc",
    "importance_checks",
    "importance_stability",
    "integrated_gradients",
    "linear_importance",
    "network_importance",
    "parameter_randomisation",
    "rank_stability",
    "region_importance",
    "score_change",
    "top_share",
]
