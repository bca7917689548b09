"""IDGL: a graph among people and their embeddings, learned in turn, each from the other.

A weighted cosine of the features makes a graph; a graph convolutional network on it, mixed with a graph of nearest
neighbours, gives embeddings; their weighted cosine makes a better graph, until the graph rests.

``s_ij = mean_p cos(w_p * x_i, w_p * x_j)``, 0 below a threshold; f divides rows by their sum
``A_t = lam A_0 + (1 - lam) (eta f(S(H_(t-1))) + (1 - eta) f(S(X)))``, lam = 0.25, eta = 0.1
``H_t = relu(A_t drop(X) W_0)``, ``Y_t = A_t drop(H_t) W_1``
loss = the mean over t of cross-entropy + 0.4 tr(X^T L_t X) / N^2 - 0.2 1^T log(S_t 1) / N + 0.1 |S_t|_F^2 / N^2

On purpose unlike the release: the last graph answers, also where the loss does not yet iterate (the first 25 epochs);
attached people do not decide when the graph of the fitted ones rests.

References
----------
Chen, Wu and Zaki (2020). Iterative deep graph learning for graph neural networks: better and robust node embeddings.
NeurIPS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse.estimators.population_system import EVERYTHING, PopulationSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.graph.population import PopulationGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.graph import graph_loss
from graphfuse.nn.conv.product import linear_of_product
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.population import Population
from graphfuse.nn.structure.cosine import WeightedCosine
from graphfuse.nn.structure.iterative import Iteration, IterativeGraph
from graphfuse.systems.system import System


class SharedRows(nn.Module):
    """Two convolutions on a graph whose rows are shares already: ``A drop(relu(A drop(X) W_0)) W_1``.

    Parameters
    ----------
    in_channels, hidden, out_channels : int
    dropout : float
    """

    def __init__(self, in_channels: int, hidden: int, out_channels: int, dropout: float):
        super().__init__()
        self.lins = nn.ModuleList([nn.Linear(in_channels, hidden), nn.Linear(hidden, out_channels)])
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, adjacency: Adjacency) -> tuple[Tensor, Tensor]:
        """Return the output (1, N, C) and the hidden state (1, N, D) of x (1, N, P)."""
        first, second = self.lins
        hidden = linear_of_product(first, adjacency, self.dropout(x)).relu()
        return linear_of_product(second, adjacency, self.dropout(hidden)), hidden


class IDGLNetwork(nn.Module):
    """The graph of people, learned by turns.

    Parameters
    ----------
    shapes : dict of str to (P,)
    n_classes : int
    hidden, perspectives : int
    threshold, hidden_threshold : float
        Least cosine of the features, and of the embeddings, that is an edge.
    smooth, degree, sparse : float
        Weights of the three terms of the loss on a graph.
    pretrain : int
        Steps whose loss hears the first graph only.
    dropout : float
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        n_classes: int,
        hidden: int = 16,
        perspectives: int = 4,
        threshold: float = 0.3,
        hidden_threshold: float = 0.9,
        smooth: float = 0.4,
        degree: float = 0.2,
        sparse: float = 0.1,
        pretrain: int = 25,
        dropout: float = 0.5,
    ):
        super().__init__()
        width = sum(shape[0] for role, shape in shapes.items() if role != "phenotypes")
        self.terms = {"smooth": smooth, "degree": degree, "sparse": sparse}
        self.pretrain, self.steps = pretrain, 0
        self.graph = IterativeGraph(
            WeightedCosine(width, perspectives, threshold),
            SharedRows(width, hidden, n_classes, dropout),
            WeightedCosine(hidden, perspectives, hidden_threshold),
        )

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C), those on the last graph."""
        *_, last = self.iterations(population)
        return last.output[0]

    def loss(self, population: Population, rows: Tensor, codes: Tensor) -> Tensor:
        """Return the mean over iterations of cross-entropy of the rows and loss on the graph."""
        x, known = _unit_scale(population.x), 1 if self.steps < self.pretrain else None
        self.steps += 1
        losses = [
            cross_entropy(step.output[0, rows], codes) + graph_loss(x[None], step.similarity, **self.terms)
            for step in islice(self.iterations(population), known)
        ]
        return torch.stack(losses).mean()

    def iterations(self, population: Population) -> Iterator[Iteration]:
        """Yield each `Iteration` from the graph of the features on."""
        x, prior = population.x[None], population.graphs[EVERYTHING].normalised("row").to_dense()
        counted = (torch.arange(len(population), device=x.device) < population.fitted)[None]
        return self.graph(x, prior, population.candidates, counted)

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return graphs (N, N), row i whom person i hears: of the features alone, and the last one."""
        first, *_, last = self.iterations(population)
        return {"first": first.weight[0], "last": last.weight[0]}


def _unit_scale(x: Tensor) -> Tensor:
    """Rows (N, P) of mean squared length 1 where features have unit variance: a loss that is free of P."""
    return x / max(x.shape[1], 1) ** 0.5


def idgl(signals: Mapping[str, str]) -> PopulationSystem:
    """IDGL over the modalities side by side, each reduced to 128 components.

    Parameters
    ----------
    signals : dict of str to str
        Role -> modality; any roles.
    """
    return PopulationSystem(
        {role: VectorView(components=128) for role in signals},
        IDGLNetwork,
        graphs={EVERYTHING: PopulationGraph(neighbours=40)},
        same=(),
        signals=dict(signals),
        learning_rate=0.01,
        weight_decay=5e-4,
        epochs=100,
        patience=30,
    )


SYSTEM = System(
    "idgl",
    idgl,
    "Chen, Wu and Zaki 2020, NeurIPS",
    takes=("timeseries", "connectivity", "measures", "vector"),
    transductive=True,
    found="metric, mixing with lam 0.25 and eta 0.1, stop at 1e-3 or 10 renewals, losses 0.4, 0.2, 0.1 averaged over "
    "renewals, 40 neighbours in the given graph, hidden 16, learning rate 0.01, weight decay 5e-4, 25 epochs before it "
    "renews, threshold 0.9 on embeddings",
    inferred="threshold 0.3 on features, where the release has 0.9 too: of wide features no two people are so alike, "
    "and no pair would be left; features at mean squared length 1 in the loss on the graph, so that it is free of "
    "their number; four perspectives and dropout 0.5 from memory; the given graph's kernel; 128 components a modality; "
    "AdamW in place of Adam; 100 epochs, early stopping on an inner split",
)
