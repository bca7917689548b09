"""Losses beside the classification loss; tensors only, and nobody counts in a modality that he lacks."""

from __future__ import annotations

from graphfuse.losses.alignment import SIMILARITIES, cca_loss, gram_consistency, similarity_loss
from graphfuse.losses.contrast import category_contrast, info_nce, supervised_contrast
from graphfuse.losses.discriminative import discriminative_loss
from graphfuse.losses.grad_norm import GradNormWeighting
from graphfuse.losses.graph import degree_loss, glcn_loss, graph_loss, smoothness, sparsity_loss
from graphfuse.losses.infomax import DISCRIMINATORS, InfoMaxLoss
from graphfuse.losses.infomin import InfoMinLoss
from graphfuse.losses.modulation import modulation_factors, scale_gradient
from graphfuse.losses.noisy import (
    ROBUST_LOSSES,
    forward_correction,
    generalised_cross_entropy,
    smoothed_cross_entropy,
    symmetric_cross_entropy,
)
from graphfuse.losses.pooling import group_consistency, top_k_loss, unit_loss
from graphfuse.losses.sampled_graph import SampledGraphLoss
from graphfuse.losses.self_training import BootstrapLoss, co_teaching, small_losses
from graphfuse.losses.separation import hsic, node_orthogonality, orthogonality
from graphfuse.losses.soft_label import one_hot, soft_cross_entropy
from graphfuse.losses.weighting import WEIGHTINGS, AdaptiveWeighting, FixedWeighting, UncertaintyWeighting

__all__ = [
    "DISCRIMINATORS",
    "ROBUST_LOSSES",
    "SIMILARITIES",
    "WEIGHTINGS",
    "AdaptiveWeighting",
    "BootstrapLoss",
    "FixedWeighting",
    "GradNormWeighting",
    "InfoMaxLoss",
    "InfoMinLoss",
    "SampledGraphLoss",
    "UncertaintyWeighting",
    "category_contrast",
    "cca_loss",
    "co_teaching",
    "degree_loss",
    "discriminative_loss",
    "forward_correction",
    "generalised_cross_entropy",
    "glcn_loss",
    "gram_consistency",
    "graph_loss",
    "group_consistency",
    "hsic",
    "info_nce",
    "modulation_factors",
    "node_orthogonality",
    "one_hot",
    "orthogonality",
    "scale_gradient",
    "similarity_loss",
    "small_losses",
    "smoothed_cross_entropy",
    "smoothness",
    "soft_cross_entropy",
    "sparsity_loss",
    "supervised_contrast",
    "symmetric_cross_entropy",
    "top_k_loss",
    "unit_loss",
]
