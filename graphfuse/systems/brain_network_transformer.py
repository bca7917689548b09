"""Brain Network Transformer: regions as tokens, their rows of the connectome as what they say, clusters as readout.

``H' = LN(H + attention(H))``, ``H'' = LN(H' + W_2 relu(W_1 H'))``, twice, H = the connectome: a row tells a region's
place and its features at once, and no edge is cut. Then
``P = softmax_k(<z_r, e_k>^2 / |e_k|)``, ``X = P^T Z``, ``Z = MLP([h_1 || .. || h_R])``, e_k orthonormal and fixed;
8 numbers a cluster, side by side, into an MLP of widths 256, 32, C.
loss = cross-entropy of mixed people, ``l H_i + (1 - l) H_p`` with labels mixed alike, l uniform in 0 .. 1

On purpose unlike the release: the width of a head is R / 4 rounded up, so that any number of regions will do; there are
min(100, R) clusters.

References
----------
Kan et al. (2022). Brain network transformer. NeurIPS. arXiv:2210.06681
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.fusion.attend import TokenAttention
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.subject import FunctionalGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.soft_label import one_hot, soft_cross_entropy
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.mixup import draw_mixing, mix
from graphfuse.nn.pool.cluster import ClusterPooling, clustering_loss
from graphfuse.systems.system import System

ROLE = "functional"


class TransformerLayer(nn.Module):
    """``y = LN(x + drop(attention(x)))``, ``LN(y + drop(W_2 drop(relu(W_1 y))))``: the norm comes after the sum.

    It is `torch.nn.TransformerEncoderLayer` with heads of ceil(D / H), without the bias of the attention's output and
    without dropout on the attention map.

    Parameters
    ----------
    channels, heads, hidden : int
        D, H, and the width of W_1.
    dropout : float
    """

    def __init__(self, channels: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.attention, self.dropout = TokenAttention(channels, heads), Dropout(dropout)
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, channels))

    def forward(self, x: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens (B, R, D) and the attention map (B, R, R), mean over heads; nodes (B, R) are those heard."""
        heard, weights = self.attention(x, x, nodes)
        x = self.norm1(x + self.dropout(heard))
        return self.norm2(x + self.dropout(self.mlp(x))), weights.mean(1)


class BrainNetworkTransformerNetwork(nn.Module):
    """Two transformer layers, clusters, an MLP.

    Parameters
    ----------
    shapes : {"functional": (R, R)}
    n_classes : int
    layers, heads, hidden : int
        Of the transformer; `hidden` is the width inside its MLPs.
    clusters : int
        At most; there are never more than regions.
    dropout : float
        Of the transformer.
    sharpening : float
        Weight of the deep embedded clustering loss of the clusters.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        n_classes: int,
        layers: int = 2,
        heads: int = 4,
        hidden: int = 1024,
        clusters: int = 100,
        dropout: float = 0.1,
        sharpening: float = 0.0,
    ):
        super().__init__()
        regions, width = shapes[ROLE]
        clusters = min(clusters, regions, width)
        self.n_classes, self.sharpening = n_classes, sharpening
        self.layers = nn.ModuleList(TransformerLayer(width, heads, hidden, dropout) for _ in range(layers))
        self.pool = ClusterPooling(width, regions, clusters)
        self.reduce = nn.Sequential(nn.Linear(width, 8), nn.LeakyReLU(), nn.Flatten())
        dense = [(nn.Linear(a, b), nn.LeakyReLU()) for a, b in pairwise((8 * clusters, 256, 32))]
        self.head = nn.Sequential(*(layer for block in dense for layer in block), nn.Linear(32, n_classes))

    def forward(self, inputs: Mapping[str, Graphs]) -> Tensor:
        """Return logits (B, C); only the node features, the standardised connectomes, are read."""
        graphs = inputs[ROLE]
        return self._logits(self.tokens(graphs.x, graphs.nodes)[0], graphs.nodes)

    def loss(self, inputs: Mapping[str, Graphs], codes: Tensor) -> Tensor:
        """Return the cross-entropy of people mixed with each other; codes (B,) are the classes."""
        graphs, mixing = inputs[ROLE], draw_mixing(len(codes), device=codes.device)
        nodes = graphs.nodes & graphs.nodes[mixing.partner]
        tokens, _ = self.tokens(mix(graphs.x, mixing), nodes)
        target = mix(one_hot(codes, self.n_classes), mixing)
        loss = soft_cross_entropy(self._logits(tokens, nodes), target).mean()
        if not self.sharpening:
            return loss
        return loss + self.sharpening * clustering_loss(self.pool.assignment(tokens, nodes), nodes)

    def tokens(self, x: Tensor, nodes: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return what the transformer makes of x (B, R, R), and the attention map (B, R, R) of each layer."""
        maps = []
        for layer in self.layers:
            x, attended = layer(x, nodes)
            maps.append(attended)
        return x, maps

    @torch.no_grad()
    def weights(self, inputs: Mapping[str, Graphs]) -> dict[str, Tensor]:
        """Return who attends to whom by layer, (B, R, R), and the clusters of each region, (B, R, K)."""
        graphs = inputs[ROLE]
        tokens, maps = self.tokens(graphs.x, graphs.nodes)
        told = {f"attention_{number}": attended for number, attended in enumerate(maps, 1)}
        return told | {"clusters": self.pool.assignment(tokens, graphs.nodes)}

    def _logits(self, tokens: Tensor, nodes: Tensor) -> Tensor:
        none = Adjacency.from_dense(tokens.new_zeros(len(tokens), *tokens.shape[1:2] * 2))  # clusters keep no graph
        return self.head(self.reduce(self.pool(tokens, none, nodes).x))


def brain_network_transformer(signals: Mapping[str, str]) -> SubjectSystem:
    """Brain Network Transformer over standardised connectomes.

    Parameters
    ----------
    signals : {"functional": modality}
    """
    return SubjectSystem(
        {ROLE: FunctionalGraph(nodes="profile")},
        BrainNetworkTransformerNetwork,
        {"hidden": 256},
        dict(signals),
        learning_rate=3e-4,
        weight_decay=1e-4,
        epochs=20,
        patience=6,
        batch_size=16,
    )


SYSTEM = System(
    "bnt",
    brain_network_transformer,
    "Kan et al. 2022, NeurIPS, arXiv:2210.06681",
    needs={ROLE: ("timeseries", "connectivity")},
    found="two layers of 4 heads and width 1024, 100 orthonormal frozen clusters after the second, bottleneck 32, 8 "
    "numbers a cluster, head 256-32, mixup with Beta(1, 1), weight decay 1e-4, batch 16; identity embedding off",
    inferred="width 256 inside the layers (options={'hidden': 1024} has the published one) and 20 epochs of 200, so "
    "that a fold trains in a minute on one core, hence learning rate 3e-4, constant, where the release lowers 1e-4 to "
    "1e-5 along a cosine; AdamW; early stopping; heads of width R / 4 rounded up, at most R clusters; each edge is "
    "standardised over the training subjects, where the published input is the raw correlation; connectomes are mixed, "
    "not series",
)
