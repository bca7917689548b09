"""Learned graphs: ``learner(x (G, R, F), candidates (G, R, R) or None) -> weight (G, R, R)``, and what uses them."""

from __future__ import annotations

from graphfuse.nn.structure.association import PairwiseAssociation
from graphfuse.nn.structure.attention import AttentionSimilarity
from graphfuse.nn.structure.bank import Bank, BankConv, InductiveBank
from graphfuse.nn.structure.continuous import ContinuousDGM
from graphfuse.nn.structure.contract import attach_candidates
from graphfuse.nn.structure.cosine import ProjectedCosine, WeightedCosine
from graphfuse.nn.structure.difference import DifferenceSimilarity
from graphfuse.nn.structure.feature_gate import FeatureGate
from graphfuse.nn.structure.gaussian import GaussianSimilarity
from graphfuse.nn.structure.gumbel import GumbelTopK, SampledEdges
from graphfuse.nn.structure.iterative import Iteration, IterativeGraph
from graphfuse.nn.structure.product import InnerProductGraph

__all__ = [
    "AttentionSimilarity",
    "Bank",
    "BankConv",
    "ContinuousDGM",
    "DifferenceSimilarity",
    "FeatureGate",
    "GaussianSimilarity",
    "GumbelTopK",
    "InductiveBank",
    "InnerProductGraph",
    "Iteration",
    "IterativeGraph",
    "PairwiseAssociation",
    "ProjectedCosine",
    "SampledEdges",
    "WeightedCosine",
    "attach_candidates",
]
