"""DGM: whom a person hears is drawn, and the draw is taught by whether she is then classified right.

An embedding says how near two people are; each draws five neighbours by the Gumbel trick; graph convolutions over them
classify. The draw has no gradient: the embedding learns by REINFORCE from a person's success against her own record.

``x = relu(W drop(X))``, ``h = f(x)`` where x is held fixed, ``log p_ij = -exp(t) |h_i - h_j|^2``, -5 <= t <= 5
edges of i: the 5 largest ``log p_ij + gumbel_ij`` in training, the 5 largest ``log p_ij`` after it
``x <- relu(A^ drop(x) W_l)``, three times; then linear layers of 8 and C
loss = cross-entropy + ``mean_i (b_i - right_i) mean_j log p_ij``, b_i how often i was right before

On purpose unlike the release: the likeliest edges answer where the release averages ten draws, so that an answer is the
same each time and depends on no other new person; log p in the loss, as in the paper, where the code has p.

References
----------
Kazi et al. (2023). Differentiable graph module (DGM) for graph convolutional networks. IEEE TPAMI 45.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.sampled_graph import SampledGraphLoss
from graphfuse.nn.conv import GCNConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.population import Population
from graphfuse.nn.structure.gumbel import GumbelTopK, SampledEdges
from graphfuse.systems.system import System


class DGMNetwork(nn.Module):
    """Features of 32, an embedding 32-16-4, five neighbours, convolutions 32-32-16-8, a head 8-8-C.

    Parameters
    ----------
    shapes : dict of str to (P,)
    n_classes : int
    width : int
        Of the features before the graph.
    embedding, hidden : sequence of int
        Widths of the embedding that the graph is drawn from, and of the convolutions on it.
    neighbours : int
    temperature : float
        t at the start.
    dropout : float
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        n_classes: int,
        width: int = 32,
        embedding=(16, 4),
        hidden=(32, 16, 8),
        neighbours: int = 5,
        temperature: float = 4.0,
        dropout: float = 0.3,
    ):
        super().__init__()
        features = sum(shape[0] for role, shape in shapes.items() if role != "phenotypes")
        self.enter = nn.Linear(features, width)
        self.embed = _mlp(width, *embedding)
        self.draw = GumbelTopK(neighbours, temperature)
        self.convs = nn.ModuleList(GCNConv(wide, out) for wide, out in pairwise([width, *hidden]))
        self.head = _mlp(hidden[-1], hidden[-1], n_classes)
        self.dropout = Dropout(dropout)
        # No submodule: how often each of the fitted people was right is no part of the model and of no file.
        self.record: tuple[SampledGraphLoss, ...] = ()

    def prepare(self, population: Population) -> None:
        """Open a record for each of the fitted people."""
        self.record = (SampledGraphLoss(len(population)).to(population.x.device),)

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C)."""
        return self._run(population)[0]

    def loss(self, population: Population, rows: Tensor, codes: Tensor) -> Tensor:
        """Return the cross-entropy of the rows and what teaches their draws."""
        logits, edges = self._run(population)
        (taught,) = self.record
        right = logits[rows].argmax(1) == codes
        return cross_entropy(logits[rows], codes) + taught(edges.log_p[0, rows], right, rows)

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return whom each person hears, (N, N) of 0 and 1, and the positions (N, 4) that say so."""
        x = self._features(population)
        return {"graph": self._edges(x, population).weight[0], "embedding": self.embed(x)}

    def _run(self, population: Population) -> tuple[Tensor, SampledEdges]:
        x = self._features(population)
        edges = self._edges(x.detach(), population)
        adjacency, x = Adjacency.from_dense(edges.weight), x[None]
        for conv in self.convs:
            x = conv(self.dropout(x), adjacency).relu()
        return self.head(x[0]), edges

    def _features(self, population: Population) -> Tensor:
        return self.enter(self.dropout(population.x)).relu()  # (N, D)

    def _edges(self, x: Tensor, population: Population) -> SampledEdges:
        return self.draw.sample(self.embed(x)[None], population.candidates)


def _mlp(*widths: int) -> nn.Sequential:
    """Linear layers with a ReLU between each two."""
    layers = [nn.Linear(wide, out) for wide, out in pairwise(widths)]
    return nn.Sequential(*(part for layer in layers[:-1] for part in (layer, nn.ReLU())), layers[-1])


def dgm(signals: Mapping[str, str]) -> PopulationSystem:
    """DGM over the modalities side by side, each reduced to 128 components.

    Parameters
    ----------
    signals : dict of str to str
        Role -> modality; any roles.
    """
    return PopulationSystem(
        {role: VectorView(components=128) for role in signals},
        DGMNetwork,
        same=(),
        signals=dict(signals),
        learning_rate=0.01,
        weight_decay=1e-4,
        epochs=200,
        patience=50,
    )


SYSTEM = System(
    "dgm",
    dgm,
    "Kazi et al. 2023, IEEE TPAMI 45",
    takes=("timeseries", "connectivity", "measures", "vector"),
    transductive=True,
    found="the draw of 5 neighbours, the clipped temperature, the loss that teaches it with a record of momentum 0.95 "
    "from 0.5, features of the graph held apart from those that classify",
    inferred="from memory: widths 32, 16-4, 32-16-8 and 8, temperature e^4 at the start, learning rate 0.01. Ours: one "
    "graph for all convolutions, its embedding made of the features alone; dropout 0.3; the likeliest edges answer in "
    "place of ten draws; 128 components a modality; 200 epochs, early stopping on an inner split",
)
