"""The graph network of Chen and others for schizophrenia, on one functional graph a person.

The strongest tenth of the connections, as binary edges; three times
``X <- relu(X W1 + A X W2 + b)``, ``s = tanh(X p / |p|)``, ``X <- (s X)[top 0.8]``, ``A <- A[top 0.8]``; then
``z = sum_l [max X_l || mean X_l]`` and an MLP of widths 256, 128, 64, C with batch normalisation.

On purpose unlike the release: edges count in both directions (there each is entered once), features are standardised on
the training people (there they are raw), logits go to the cross-entropy (there their softmax does), and the epoch is
chosen on an inner split (there on the test set).

References
----------
Chen et al. (2023). Frontiers in Neuroscience 17:1140801, and its authors' public code.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.sparsify import TopDensity
from graphfuse.graph.subject import FunctionalGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.conv import GraphConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.jumping import jumping_readout
from graphfuse.nn.masked_norm import MaskedBatchNorm
from graphfuse.nn.pool.contract import Pooled
from graphfuse.nn.pool.levels import pool_levels, survived
from graphfuse.nn.pool.topk import TopKPooling
from graphfuse.systems.system import System

FUNCTIONAL = "functional"


class TopKClassifier(nn.Module):
    """Convolutions and top-k poolings in turn, the plain sum of all readouts, and an MLP.

    Parameters
    ----------
    in_channels, n_classes : int
    hidden, depth : int
        Width D of each level, and how many there are; the MLP has widths 2 D, D, D / 2, C.
    ratio, dropout : float
        Of the nodes that each pooling keeps; in the MLP.
    """

    def __init__(
        self, in_channels: int, n_classes: int, hidden: int = 128, depth: int = 3, ratio: float = 0.8, dropout=0.5
    ):
        super().__init__()
        self.convs = nn.ModuleList(GraphConv(hidden if level else in_channels, hidden) for level in range(depth))
        self.pools = nn.ModuleList(TopKPooling(hidden, ratio) for _ in range(depth))
        self.head = nn.Sequential(
            nn.Linear(2 * hidden, hidden),
            MaskedBatchNorm(hidden),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(hidden, hidden // 2),
            MaskedBatchNorm(hidden // 2),
            nn.ReLU(),
            nn.Linear(hidden // 2, n_classes),
        )

    def levels(self, x: Tensor, adjacency: Adjacency, nodes: Tensor) -> list[Pooled]:
        """Return what each pooling keeps; the edges are taken as binary."""
        return pool_levels(self.convs, self.pools, x, binary(adjacency), nodes)

    def forward(self, x: Tensor, adjacency: Adjacency, nodes: Tensor) -> Tensor:
        """Return logits (B, C) of x (B, R, F), an adjacency (B, R, R) and usable nodes, bool (B, R)."""
        levels = self.levels(x, adjacency, nodes)
        return self.head(jumping_readout(((level.x, level.nodes) for level in levels), nn.Identity()))

    @torch.no_grad()
    def weights(self, x: Tensor, adjacency: Adjacency, nodes: Tensor) -> dict[str, Tensor]:
        """Return after how many poolings a region was still there, ``survived`` int (B, R), and the scores.

        By level: ``score_LEVEL`` (B, r), and ``kept_LEVEL`` (B, r), which nodes of the level before these are. Chen and
        others report the ten most salient regions of the poolings; to rank them by survival is our reading.
        """
        levels = self.levels(x, adjacency, nodes)
        told = {"survived": survived(levels, x.shape[1])}
        for number, level in enumerate(levels, 1):
            told |= {f"kept_{number}": level.kept, f"score_{number}": level.score}
        return told


class GCNSZNetwork(nn.Module):
    """`TopKClassifier` of the functional graph.

    Parameters
    ----------
    shapes : {"functional": (R, F)}
    n_classes : int
    options
        Of `TopKClassifier`.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, int]], n_classes: int, **options):
        super().__init__()
        self.classifier = TopKClassifier(shapes[FUNCTIONAL][1], n_classes, **options)

    def forward(self, inputs: Mapping[str, Graphs]) -> Tensor:
        """Return logits (B, C)."""
        graphs = inputs[FUNCTIONAL]
        return self.classifier(graphs.x, graphs.adjacency, graphs.nodes)

    def weights(self, inputs: Mapping[str, Graphs]) -> dict[str, Tensor]:
        """See `TopKClassifier.weights`."""
        graphs = inputs[FUNCTIONAL]
        return self.classifier.weights(graphs.x, graphs.adjacency, graphs.nodes)


def binary(adjacency: Adjacency) -> Adjacency:
    """Return the same edges, all of weight 1."""
    return adjacency.with_weight((adjacency.weight != 0).to(adjacency.weight.dtype))


def gcn_sz(signals: Mapping[str, str]) -> SubjectSystem:
    """Chen's network over the strongest tenth of the functional connections.

    Parameters
    ----------
    signals : {"functional": modality}
    """
    return SubjectSystem(
        {FUNCTIONAL: FunctionalGraph(nodes="profile", sparsify=TopDensity(0.1))},
        GCNSZNetwork,
        signals=dict(signals),
        learning_rate=1e-3,
        weight_decay=0.0,
        epochs=60,
        patience=15,
        batch_size=30,
    )


SYSTEM = System(
    "gcn-sz",
    gcn_sz,
    "Chen et al. 2023, Frontiers in Neuroscience 17:1140801",
    needs={FUNCTIONAL: ("timeseries", "connectivity")},
    found="10 % binary edges, 3 levels of 128 with top-k pooling 0.8, sum of readouts, MLP 256-128-64-C with batch "
    "normalisation and dropout 0.5, batches of 30 (authors' code)",
    inferred="node features: a region's connections in place of ALFF, ReHo and degree; the regions of the cohort in "
    "place of AAL-90; learning rate 1e-3 and at most 60 epochs, patience 15, in place of 1e-4, 1000 and 500, for time "
    "on a CPU",
    claim="345 people: accuracy 95.8 % with functional edges and features of fMRI and sMRI, epochs chosen on test sets",
)
