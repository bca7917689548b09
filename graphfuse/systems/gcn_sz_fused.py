"""The graph network of Chen and others on one graph of two modalities: edges of both, node features of both.

``A = minmax(A_functional) + minmax(A_structural)``, of which the strongest tenth stays as binary edges; node features
are those of both modalities side by side, with a mark of which are there. The network is that of `gcn_sz`.

References
----------
Chen et al. (2023). Frontiers in Neuroscience 17:1140801, and its authors' public code.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.fusion.input import stack_node_features
from graphfuse.graph.combine import min_max_sum
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.sparsify import TopDensity
from graphfuse.graph.subject import FunctionalGraph, MorphometricGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.systems.gcn_sz import FUNCTIONAL, TopKClassifier
from graphfuse.systems.system import System

STRUCTURAL = "structural"


class FusedGCNSZNetwork(nn.Module):
    """`TopKClassifier` of the joined graph.

    Parameters
    ----------
    shapes : {"functional": (R, F), "structural": (R, F')}
    n_classes : int
    density : float
        Share of the edges that stay.
    options
        Of `TopKClassifier`.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, int]], n_classes: int, density: float = 0.1, **options):
        super().__init__()
        marks = len(shapes)  # of presence
        self.strongest = TopDensity(density)
        self.classifier = TopKClassifier(sum(width for _, width in shapes.values()) + marks, n_classes, **options)

    def forward(self, inputs: Mapping[str, Graphs]) -> Tensor:
        """Return logits (B, C)."""
        return self.classifier(*self._join(inputs))

    def weights(self, inputs: Mapping[str, Graphs]) -> dict[str, Tensor]:
        """See `TopKClassifier.weights`."""
        return self.classifier.weights(*self._join(inputs))

    def _join(self, inputs: Mapping[str, Graphs]) -> tuple[Tensor, Adjacency, Tensor]:
        """Node features (B, R, F + F' + 2), edges, and the nodes that either modality saw, bool (B, R)."""
        present = {role: graphs.present for role, graphs in inputs.items()}
        nodes = {role: graphs.nodes & graphs.present[:, None] for role, graphs in inputs.items()}
        usable = nodes[FUNCTIONAL] | nodes[STRUCTURAL]
        weight = min_max_sum({role: graphs.adjacency.to_dense() for role, graphs in inputs.items()}, nodes)
        x = stack_node_features({role: graphs.x for role, graphs in inputs.items()}, present)
        return x, Adjacency.from_dense(self.strongest(weight, usable)), usable


def gcn_sz_fused(signals: Mapping[str, str]) -> SubjectSystem:
    """Chen's network over the joined graph of a functional modality and measures of the same regions.

    Parameters
    ----------
    signals : {"functional": modality, "structural": modality}
    """
    whole = TopDensity(1.0, signed="keep")  # scaled and added first, made sparse afterwards
    return SubjectSystem(
        {
            FUNCTIONAL: FunctionalGraph(nodes="profile", sparsify=whole),
            STRUCTURAL: MorphometricGraph(sparsify=whole),
        },
        FusedGCNSZNetwork,
        signals=dict(signals),
        learning_rate=1e-3,
        weight_decay=0.0,
        epochs=45,
        patience=15,
        batch_size=30,
    )


SYSTEM = System(
    "gcn-sz-fused",
    gcn_sz_fused,
    "Chen et al. 2023, Frontiers in Neuroscience 17:1140801",
    needs={FUNCTIONAL: ("timeseries", "connectivity"), STRUCTURAL: ("measures",)},
    same_regions=True,
    found="edges: sum of both networks, each scaled to 0 .. 1, then 10 % as binary edges; features of both modalities; "
    "the network of gcn-sz (authors' code)",
    inferred="structural edges: similarity of a region's measures in place of that of its grey-matter densities; "
    "functional edges Fisher z, features a region's connections; a missing modality leaves the other's graph; "
    "training as in gcn-sz, at most 45 epochs",
    claim="345 people: accuracy up to 95.8 % among the 18 graphs, epochs chosen on test sets",
)
