"""Two pathways: a linear model of the connections beside a graph attention network, their logits added.

linear: ``W_e e + b_e``, e the correlations of all pairs of regions
graph: ``h_r = W max_t relu(conv(series of r)_t) + b``; ``H <- GAT(relu(GAT(H)))`` over positive correlations;
``W_g [LN(h_1) || .. || LN(h_R)] + b_g``
loss = cross-entropy of people mixed with each other, ``l x_i + (1 - l) x_p``, of both pathways together

The linear pathway tells of single connections, the attention of the other one of patterns over the whole brain.

References
----------
Han et al. (2025). Rethinking functional brain connectome analysis: do graph deep learning models help?
arXiv:2501.17207
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.errors import InvalidOption
from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.graph.dynamic import DynamicGraph
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows
from graphfuse.graph.sparsify import TopDensity
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.soft_label import one_hot, soft_cross_entropy
from graphfuse.nn.conv.gat import GATConv
from graphfuse.nn.mixup import draw_mixing, mix
from graphfuse.nn.readout import mask_nodes
from graphfuse.nn.structure.contract import softmax_among
from graphfuse.systems.system import System

ROLE, EDGES, GRAPH = "functional", "edges", "graph"


class SeriesEncoder(nn.Module):
    """``W max_t relu(conv(x)_t) + b``: one convolution of three points over time, its largest answer.

    Parameters
    ----------
    out_channels : int
        Filters, and width of what comes out.
    """

    def __init__(self, out_channels: int):
        super().__init__()
        self.conv, self.lin = nn.Conv1d(1, out_channels, 3, padding=1), nn.Linear(out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, R, D) of series x (B, R, L)."""
        filtered = self.conv(x.flatten(0, 1)[:, None])  # (B R, D, L)
        largest = nn.functional.adaptive_max_pool1d(filtered, 1)[..., 0]
        return self.lin(largest.relu()).unflatten(0, x.shape[:2])  # relu and maximum commute


class GraphPathway(nn.Module):
    """An encoder of series, graph attention over regions, and one linear layer over all regions side by side.

    Parameters
    ----------
    regions, n_classes, width, layers, heads : int

    Raises
    ------
    InvalidOption
        `width` is no multiple of `heads`.
    """

    def __init__(self, regions: int, n_classes: int, width: int, layers: int, heads: int):
        super().__init__()
        check_range("layers", layers, 1)
        if width % heads:
            raise InvalidOption(f"width must be a multiple of heads={heads}; got {width}. Change one.")
        self.encoder = SeriesEncoder(width)
        self.convs = nn.ModuleList(GATConv(width, width // heads, heads) for _ in range(layers))
        self.norm, self.lin = nn.LayerNorm(width), nn.Linear(regions * width, n_classes)

    def forward(self, x: Tensor, adjacency: Adjacency, nodes: Tensor) -> Tensor:
        """Return logits (B, C) of series x (B, R, L)."""
        _, last = self.run(x, adjacency, nodes)
        return self.lin(mask_nodes(self.norm(last), nodes).flatten(1))

    def run(self, x: Tensor, adjacency: Adjacency, nodes: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return what enters each convolution, and what the last one gives, each (B, R, D)."""
        x, entered = self.encoder(mask_nodes(x, nodes)), []
        for conv in self.convs:
            entered.append(x.relu() if entered else x)
            x = conv(entered[-1], adjacency)
        return entered, x


class DualPathwayNetwork(nn.Module):
    """``logits = linear(edges) + graph(series)``.

    Parameters
    ----------
    shapes : {"edges": (P,), "graph": (R, L)}
    n_classes : int
    width, layers, heads : int
        Of the graph attention; `width` is that of all heads together.
    """

    def __init__(
        self, shapes: Mapping[str, tuple[int, ...]], n_classes: int, width: int = 32, layers: int = 2, heads: int = 2
    ):
        super().__init__()
        self.n_classes = n_classes
        self.linear = nn.Linear(shapes[EDGES][0], n_classes)
        self.graph = GraphPathway(shapes[GRAPH][0], n_classes, width, layers, heads)

    def forward(self, inputs: Mapping[str, Graphs | Rows]) -> Tensor:
        """Return logits (B, C)."""
        return sum(self.pathways(inputs).values())

    def pathways(self, inputs: Mapping[str, Graphs | Rows]) -> dict[str, Tensor]:
        """Return what each pathway adds to the logits, (B, C)."""
        edges, graphs = inputs[EDGES], inputs[GRAPH]
        return {"linear": self.linear(edges.x), "graph": self.graph(graphs.x, graphs.adjacency, graphs.nodes)}

    def loss(self, inputs: Mapping[str, Graphs | Rows], codes: Tensor) -> Tensor:
        """Return the cross-entropy of people mixed with each other; codes (B,) are the classes."""
        edges, graphs, mixing = inputs[EDGES], inputs[GRAPH], draw_mixing(len(codes), device=codes.device)
        nodes = graphs.nodes & graphs.nodes[mixing.partner]
        of_graph = self.graph(mix(graphs.x, mixing), graphs.adjacency, nodes)  # each over his own edges, as published
        target = mix(one_hot(codes, self.n_classes), mixing)
        return soft_cross_entropy(self.linear(mix(edges.x, mixing)) + of_graph, target).mean()

    @torch.no_grad()
    def weights(self, inputs: Mapping[str, Graphs | Rows]) -> dict[str, Tensor]:
        """Return how far each pathway speaks, what the linear one learned, and where the other one looks.

        ``linear_share`` (B,), in 0 .. 1: the spread of the linear pathway's logits over classes against that of both,
        0.5 where neither says anything; ``edges`` (C, P), the linear pathway's weight of each pair of regions, less the
        mean over classes; ``attention_1`` (B, R, R), mean over heads: row r says whom region r hears.
        """
        spread = {name: logits.std(1, correction=0) for name, logits in self.pathways(inputs).items()}
        both, weight, graphs = sum(spread.values()), self.linear.weight, inputs[GRAPH]
        told = {"linear_share": torch.where(both > 0, spread["linear"] / both.clamp(min=1e-12), 0.5)}
        told["edges"] = weight - weight.mean(0)
        entered, _ = self.graph.run(graphs.x, graphs.adjacency, graphs.nodes)
        for number, (conv, x) in enumerate(zip(self.graph.convs, entered, strict=True), 1):
            told[f"attention_{number}"] = attention(conv, x, graphs.adjacency)
        return told


def attention(conv: GATConv, x: Tensor, adjacency: Adjacency) -> Tensor:
    """Return the coefficients (B, R, R) of graph attention over x (B, R, D), the mean over heads."""
    v = conv.lin(x).unflatten(-1, (conv.heads, -1))  # (B, R, H, D)
    target, source = ((v * part).sum(-1).mT for part in (conv.att_dst, conv.att_src))  # (B, H, R)
    score = nn.functional.leaky_relu(target[..., None] + source[:, :, None], conv.negative_slope)  # (B, H, R, R)
    edges = adjacency.with_self_loops().to_dense() != 0
    return softmax_among(score, edges[:, None]).mean(1)


def dual_pathway(signals: Mapping[str, str]) -> SubjectSystem:
    """The dual pathway over correlations and 100 points of each series, edges where the correlation is positive.

    Parameters
    ----------
    signals : {"functional": modality}
    """
    graph = DynamicGraph(windows=1, nodes="series", frames=100, sparsify=TopDensity(1.0, signed="positive"))
    return SubjectSystem(
        {EDGES: VectorView(features="correlation"), GRAPH: graph},
        DualPathwayNetwork,
        signals={EDGES: signals[ROLE], GRAPH: signals[ROLE]},
        learning_rate=1e-4,
        weight_decay=1e-4,
        epochs=20,
        patience=6,
        batch_size=16,
    )


SYSTEM = System(
    "dual-pathway",
    dual_pathway,
    "Han et al. 2025, arXiv:2501.17207",
    needs={ROLE: ("timeseries",)},
    found="logits added, one linear layer over all pairs of regions, 2 layers of graph attention of 2 heads and width "
    "32 over all positive correlations, layer normalisation, one linear layer over all regions, learning rate 1e-4, "
    "weight decay 1e-4, batch 16 (the authors' program and its settings for ABIDE); the encoder of series and the "
    "activation (a third party's copy of it)",
    inferred="both pathways learn together from the start, where their graph pathway learns alone for 50 epochs first; "
    "20 epochs of 100, constant rate where theirs falls to 1e-5, for time on a CPU; mixup, which their settings name, "
    "as in the Brain Network Transformer; correlations standardised over the training subjects; 100 points drawn from "
    "the whole scan, each series standardised; early stopping",
    claim="message passing degrades prediction in four large studies; the dual pathway predicts robustly (abstract)",
)
