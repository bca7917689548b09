"""AM-GCN: one graph of who belongs together, one of who is alike, and what each says alone and what they share.

``F_t = GCN_t(X, A_t)``, ``F_f = GCN_f(X, A_f)``, ``c_t = GCN_c(X, A_t)``, ``c_f = GCN_c(X, A_f)``: two layers each,
``D^-1 (A + I) X W + b``, GCN_c with the same weights twice; ``Z_k = F_t, F_f, (c_t + c_f) / 2``
``z = sum_k beta_k Z_k``, ``beta = softmax_k(q . tanh(W Z_k + b))``, ``y = W_y z + b_y``
loss = cross-entropy + theta |S(c_t) - S(c_f)|^2 + beta (HSIC(F_t, c_t) + HSIC(F_f, c_f)), S the Gram matrix

A_t is the population graph (alike imaging times agreement in phenotypes), A_f the nearest by imaging alone.

On purpose unlike the release: the losses are means, see `gram_consistency` and `hsic`, so that their weights do not
depend on how many people there are; they are taken over the fitted people alone.

References
----------
Wang et al. (2020). AM-GCN: adaptive multi-channel graph convolutional networks. KDD. arXiv:2007.02265
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse.estimators.population_system import EVERYTHING, PopulationSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.graph.population import PopulationGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.alignment import gram_consistency
from graphfuse.losses.separation import hsic
from graphfuse.nn.conv.product import linear_of_product
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.population import Population
from graphfuse.systems.system import System

ROLE = "features"
TOPOLOGY, FEATURE = EVERYTHING, ROLE  # one role, so that both names stand for its vectors


class WalkStack(nn.Module):
    """Two graph convolutions ``A drop(relu(A X W_1 + b_1)) W_2 + b_2`` with ``A <- D^-1 (A + I)``.

    Parameters
    ----------
    in_channels, hidden, out_channels : int
    dropout : float
    """

    def __init__(self, in_channels: int, hidden: int, out_channels: int, dropout: float):
        super().__init__()
        self.first, self.second = nn.Linear(in_channels, hidden), nn.Linear(hidden, out_channels)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (1, N, out) of x (1, N, in)."""
        walk = adjacency.normalised("row")
        return linear_of_product(self.second, walk, self.dropout(linear_of_product(self.first, walk, x).relu()))


class Channels(NamedTuple):
    """What the four passes give, each (N, D).

    Parameters
    ----------
    topology, feature : tensor
        Specific to a graph, F_t and F_f.
    shared_topology, shared_feature : tensor
        Of the shared weights over either graph, c_t and c_f.
    """

    topology: Tensor
    feature: Tensor
    shared_topology: Tensor
    shared_feature: Tensor

    def stacked(self) -> Tensor:
        """The three embeddings that attention weighs, (N, 3, D)."""
        return torch.stack([self.topology, self.feature, (self.shared_topology + self.shared_feature) / 2], 1)


class AMGCNNetwork(nn.Module):
    """Two specific stacks, a shared one, attention over the three, a linear layer.

    Parameters
    ----------
    shapes : {"features": (P,)}
    n_classes : int
    hidden, width : int
        Of the two layers of each stack.
    scorer : int
        Length of q.
    dropout : float
    consistency, independence : float
        theta and beta.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple],
        n_classes: int,
        hidden: int = 768,
        width: int = 256,
        scorer: int = 16,
        dropout: float = 0.5,
        consistency: float = 1e-3,
        independence: float = 1e-2,
    ):
        super().__init__()
        self.consistency, self.independence = consistency, independence
        self.topology, self.feature, self.shared = (
            WalkStack(shapes[ROLE][0], hidden, width, dropout) for _ in range(3)
        )
        self.score = nn.Sequential(nn.Linear(width, scorer), nn.Tanh(), nn.Linear(scorer, 1, bias=False))
        self.classify = nn.Linear(width, n_classes)

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C)."""
        return self._logits(self.channels(population))

    def loss(self, population: Population, rows: Tensor, codes: Tensor) -> Tensor:
        """Return the cross-entropy of some rows, (B,) with codes (B,), and the two losses of the fitted people."""
        channels = self.channels(population)
        own, near, shared, shared_near = (channel[: population.fitted] for channel in channels)
        alike = gram_consistency(shared, shared_near)
        apart = hsic(own, shared) + hsic(near, shared_near)
        task = cross_entropy(self._logits(channels)[rows], codes)
        return task + self.consistency * alike + self.independence * apart

    def channels(self, population: Population) -> Channels:
        """Return the embeddings of the four passes."""
        x = population.inputs[ROLE].x[None]  # (1, N, P)
        by_topology, by_feature = population.graphs[TOPOLOGY], population.graphs[FEATURE]
        passes = (self.topology, by_topology), (self.feature, by_feature), (self.shared, by_topology)
        return Channels(*(stack(x, graph)[0] for stack, graph in (*passes, (self.shared, by_feature))))

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return each person's attention, "channels" (N, 3): topology, features, shared; rows sum to 1."""
        return {"channels": self._shares(self.channels(population).stacked())}

    def _shares(self, stacked: Tensor) -> Tensor:
        return self.score(stacked)[..., 0].softmax(1)  # (N, 3)

    def _logits(self, channels: Channels) -> Tensor:
        stacked = channels.stacked()
        return self.classify((self._shares(stacked)[..., None] * stacked).sum(1))


def am_gcn(signals: Mapping[str, str]) -> PopulationSystem:
    """AM-GCN over 256 components of one modality.

    Parameters
    ----------
    signals : {"features": modality}
    """
    return PopulationSystem(
        {ROLE: VectorView(components=256)},
        AMGCNNetwork,
        graphs={TOPOLOGY: PopulationGraph(same=None), FEATURE: PopulationGraph(same=(), neighbours=7)},
        signals=dict(signals),
        learning_rate=5e-4,
        weight_decay=5e-4,
        epochs=200,
        patience=30,
    )


SYSTEM = System(
    "am-gcn",
    am_gcn,
    "Wang et al. 2020, KDD, arXiv:2007.02265",
    needs={ROLE: ("timeseries", "connectivity", "measures", "vector")},
    phenotypes="edges of the topology graph: site and categories among the confounds (sex)",
    transductive=True,
    found="channels, attention with 16 hidden units, both losses, normalisation by rows, 7 neighbours, widths 768 and "
    "256, dropout 0.5, learning rate 5e-4, weight decay 5e-4",
    inferred="the topology graph (Parisot's, 10 neighbours; the source has citations) and the node features; weights "
    "of the losses, 0.001 and 0.01: the second is about what the released ones come to once HSIC is divided by "
    "(n - 1)^2; AdamW in place of Adam; 200 epochs with early stopping on an inner split",
)
