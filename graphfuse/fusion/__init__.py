"""Fusions of embeddings: ``fusion({name: (B, d_m)}, {name: (B,) bool}) -> (z (B, D), weights (B, M) or None)``."""

from __future__ import annotations

from graphfuse.fusion.add import AddFusion
from graphfuse.fusion.attention import AttentionFusion
from graphfuse.fusion.bilinear import BilinearFusion
from graphfuse.fusion.bottleneck import BottleneckFusion
from graphfuse.fusion.coattention import CoAttentionFusion
from graphfuse.fusion.concat import ConcatFusion
from graphfuse.fusion.cross import CrossFusion
from graphfuse.fusion.experts import MixtureOfExperts, ProductOfExperts
from graphfuse.fusion.film import FiLMFusion
from graphfuse.fusion.gated import GatedFusion
from graphfuse.fusion.hierarchical import HierarchicalFusion, deep_supervision_loss
from graphfuse.fusion.input import channel_stack, composite, masked_composite, stack_node_features
from graphfuse.fusion.interaction import InteractionFusion
from graphfuse.fusion.intra import IntraFusion
from graphfuse.fusion.joint import JointFusion
from graphfuse.fusion.low_rank import LowRankFusion
from graphfuse.fusion.modality_dropout import ModalityDropout, drop_modalities
from graphfuse.fusion.named import FUSIONS, make_fusion
from graphfuse.fusion.outer import OuterFusion
from graphfuse.fusion.pooled import PooledTokens
from graphfuse.fusion.squeeze import SqueezeFusion
from graphfuse.fusion.tokens import AttentionMap

__all__ = [
    "FUSIONS",
    "AddFusion",
    "AttentionFusion",
    "AttentionMap",
    "BilinearFusion",
    "BottleneckFusion",
    "CoAttentionFusion",
    "ConcatFusion",
    "CrossFusion",
    "FiLMFusion",
    "GatedFusion",
    "HierarchicalFusion",
    "InteractionFusion",
    "IntraFusion",
    "JointFusion",
    "LowRankFusion",
    "MixtureOfExperts",
    "ModalityDropout",
    "OuterFusion",
    "PooledTokens",
    "ProductOfExperts",
    "SqueezeFusion",
    "channel_stack",
    "composite",
    "deep_supervision_loss",
    "drop_modalities",
    "make_fusion",
    "masked_composite",
    "stack_node_features",
]
