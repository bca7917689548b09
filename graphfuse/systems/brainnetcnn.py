"""BrainNetCNN: convolutions over the connectivity matrix whose filters are crosses, not squares.

An edge hears the edges that share a region with it, twice; then a region hears its edges, and the answer all regions.

``Y_oij = sum_ck (r_ock X_cik + c_ock X_ckj) + b`` (edge to edge), ``Y_io = sum_ck w_ock X_cik + b`` (edge to node),
``y_o = sum_ci w_oci X_ic + b`` (node to graph), a leaky ReLU of slope 0.33 after each, then an MLP.

On purpose unlike the implementation that was read: it bends its logits by a last leaky ReLU and drops out at test time
too; this one does neither.

References
----------
Kawahara et al. (2017). BrainNetCNN: convolutional neural networks for brain networks; towards predicting
neurodevelopment. NeuroImage 146, 1038-1049.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.subject import FunctionalGraph
from graphfuse.nn.conv.edge_to_edge import EdgeToEdge, EdgeToNode, NodeToGraph
from graphfuse.nn.dropout import Dropout
from graphfuse.systems.system import System

ROLE = "functional"
SLOPE = 0.33
DENSE = (256, 128, 30)


class BrainNetCNNNetwork(nn.Module):
    """Edge to edge (once a width), edge to node (1), node to graph (256), then linear layers of 128, 30 and C.

    Parameters
    ----------
    shapes : {"functional": (R, R)}
    n_classes : int
    widths : sequence of int
        Of the edge-to-edge layers.
    dropout : float
        After the node-to-graph layer and each linear layer but the last.
    tied : bool
        One filter for rows and columns, which suffices for symmetric matrices.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        n_classes: int,
        widths: Sequence[int] = (32, 64),
        dropout: float = 0.5,
        tied: bool = False,
    ):
        super().__init__()
        regions = shapes[ROLE][0]
        self.bend = nn.LeakyReLU(SLOPE)
        self.edges = nn.ModuleList(EdgeToEdge(a, b, regions, tied) for a, b in pairwise((1, *widths)))
        self.nodes = EdgeToNode(widths[-1], 1, regions)
        self.graph = NodeToGraph(1, DENSE[0], regions)
        dense = [(self.bend, Dropout(dropout), nn.Linear(a, b)) for a, b in pairwise((*DENSE, n_classes))]
        self.head = nn.Sequential(*(layer for block in dense for layer in block))

    def forward(self, inputs: Mapping[str, Graphs]) -> Tensor:
        """Return logits (B, C); only the node features, the standardised matrices, are read."""
        graphs = inputs[ROLE]
        x = self.bend(self.nodes(self.edge_maps(graphs.x)))  # (B, R, 1)
        return self.head(self.graph(x, graphs.nodes))

    def edge_maps(self, x: Tensor) -> Tensor:
        """Return what the edge-to-edge layers make of matrices x (B, R, R), (B, D, R, R)."""
        x = x[:, None]  # (B, 1, R, R)
        for layer in self.edges:
            x = self.bend(layer(x))
        return x

    @torch.no_grad()
    def weights(self, inputs: Mapping[str, Graphs]) -> dict[str, Tensor]:
        """Return the answer of each region to its edges, "nodes" (B, R), 0 where it is not usable."""
        graphs = inputs[ROLE]
        x = self.bend(self.nodes(self.edge_maps(graphs.x)))[..., 0]
        return {"nodes": torch.where(graphs.nodes, x, 0.0)}


def brainnetcnn(signals: Mapping[str, str]) -> SubjectSystem:
    """BrainNetCNN over standardised connectivity matrices.

    Parameters
    ----------
    signals : {"functional": modality}
    """
    return SubjectSystem(
        {ROLE: FunctionalGraph(nodes="profile")},
        BrainNetCNNNetwork,
        {"widths": (8, 16)},
        dict(signals),
        learning_rate=1e-3,
        weight_decay=5e-4,
        epochs=20,
        patience=6,
        batch_size=16,
    )


SYSTEM = System(
    "brainnetcnn",
    brainnetcnn,
    "Kawahara et al. 2017, NeuroImage 146:1038",
    needs={ROLE: ("timeseries", "connectivity")},
    found="the layers and their order, widths 32, 64, 1, 256, 128, 30, leaky ReLU of slope 0.33, dropout 0.5 "
    "(in the implementation of Kan et al. 2022)",
    inferred="edge-to-edge widths 8 and 16 (options={'widths': (32, 64)} has the published ones), 20 epochs of batches "
    "of 16, so that a fold trains in a minute on one core; learning rate 1e-3, weight decay 5e-4, AdamW, early "
    "stopping; each edge is standardised over the training subjects, where the published input is the raw correlation: "
    "a missing region then reads as the mean, not as no correlation",
)
