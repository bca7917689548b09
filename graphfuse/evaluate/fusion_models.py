"""Every fusion as a model by name, so that one word on the command line swaps one for another."""

from __future__ import annotations

from graphfuse.cohort import Cohort
from graphfuse.estimators.features import DEFAULTS
from graphfuse.estimators.fusion_classifier import DEFAULT_VIEWS, FusionClassifier
from graphfuse.estimators.hierarchical import HierarchicalClassifier
from graphfuse.estimators.hybrid import HybridFusion
from graphfuse.estimators.late_fusion import LateFusion
from graphfuse.estimators.mkl.machines import WEIGHTS
from graphfuse.estimators.mkl.multiple_kernel import MultipleKernel
from graphfuse.estimators.stacking import Stacking
from graphfuse.estimators.vector_view import VectorView
from graphfuse.fusion import FUSIONS
from graphfuse.fusion.output import OUTPUTS

PRODUCTS = ("bilinear", "interaction", "outer")  # of embeddings, which must be narrow
PAIRS = ("co-attention",)  # of exactly two modalities
LEADING = ("mkl-average", "late-weighted", "stacking", "hybrid", "hierarchical")  # what the group `all` takes of them


def fusion_models(cohort: Cohort) -> dict:
    """Name -> estimator of every fusion of this cohort's modalities; nothing where there is one modality.

    ``mkl-...`` combines kernels, ``late-...`` ridges' answers, ``stacking`` learns from ridges' out-of-fold answers,
    ``hybrid`` and ``hierarchical`` fuse networks early and late and at every depth, ``fusion-...`` fuses the
    embeddings of graphs, as ``fusion`` (gated) does.
    """
    vectors = [name for name, signal in cohort.signals.items() if signal.kind in DEFAULTS]
    graphs = [name for name in vectors if cohort.signals[name].kind in DEFAULT_VIEWS]
    models = {}
    if len(vectors) > 1:
        views = {name: DEFAULT_VIEWS.get(cohort.signals[name].kind, VectorView)() for name in vectors}
        models |= {f"mkl-{name}": MultipleKernel(combination=name) for name in sorted(WEIGHTS)}
        models |= {f"late-{rule}": LateFusion(rule=rule) for rule in sorted(OUTPUTS)}
        models |= {"stacking": Stacking(), "hybrid": HybridFusion(views), "hierarchical": HierarchicalClassifier(views)}
    if len(graphs) > 1:
        models |= {f"fusion-{name}": _fusion(name) for name in sorted(FUSIONS) if len(graphs) == 2 or name not in PAIRS}
    return models


def _fusion(name: str) -> FusionClassifier:
    return FusionClassifier(fusion=name, readout="mean-max") if name in PRODUCTS else FusionClassifier(fusion=name)
