"""EV-GCN: people are joined where they are alike, and a network of their phenotypes weighs each edge.

``w_ij = (cos(g(t_i), g(t_j)) + 1) / 2``, t the phenotypes, where ``Sim(x_i, x_j) sum_h gamma_h(i, j) > 1.1``, else 0
``h_l = relu(Cheb_w(drop(h_{l-1})))``, l = 1 .. 4, ``y = W_2 norm(relu(W_1 [h_1 || .. || h_4]))``

An edge that is dropped takes its phenotypes with it: g hears nothing of it. Dropped at prediction too, many times, the
answers scatter, and their scatter is an uncertainty (`uncertainty`).

On purpose unlike the release: edges lead both ways, where its list of pairs makes them lead one way; features are
standardised, where it divides each row by its sum, which may be 0; phenotypes are standardised over people, not over
edges; g has a layer norm in place of a batch norm over edges.

References
----------
Huang and Chung (2020). Edge-variational graph convolutional networks for uncertainty-aware disease prediction. MICCAI.
arXiv:2009.02759
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.estimators.vector_view import PhenotypeView, VectorView
from graphfuse.estimators.views import PHENOTYPES
from graphfuse.graph.population import PopulationGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.conv.cheb import ChebConv
from graphfuse.nn.deep import DeepStack
from graphfuse.nn.drop_edge import WORD, dropped_together
from graphfuse.nn.masked_norm import MaskedBatchNorm
from graphfuse.nn.population import Population
from graphfuse.nn.structure.association import PairwiseAssociation
from graphfuse.systems.system import System

ROLE = "features"
TINY = 1e-12  # under a logarithm


def kept_pairs(fitted: int, people: int, p: float, seed: int) -> Tensor:
    """Return which pairs edge dropout keeps, bool (1, N, N), symmetric.

    Attached people, those after the first `fitted`, share their draws, so that none of them depends on another.

    Parameters
    ----------
    fitted, people : int
    p : float
        Probability with which a pair is dropped.
    seed : int
        0 .. 2^32 - 1.
    """
    pairs = dropped_together(Adjacency(torch.ones(1, fitted + 1, fitted + 1)), p, seed).weight > 0
    place = torch.arange(people).clamp(max=fitted)
    return pairs[:, place][:, :, place]


class EVGCNNetwork(nn.Module):
    """Pairwise association of phenotypes, four Chebyshev layers of 16 under jumping knowledge, an MLP of 64, 256, C.

    Parameters
    ----------
    shapes : {"features": (P,), "phenotypes": (d,)}
    n_classes : int
    width, layers : int
        Of the Chebyshev layers.
    order : int
        Highest degree of the polynomials: 2 has three terms, ``K=3`` in PyTorch Geometric.
    hidden : int
        Of the MLP.
    dropout, edge_dropout : float
    least : float
        Pairs are kept whose similarity times agreement exceeds this share of the largest agreement.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple],
        n_classes: int,
        width: int = 16,
        layers: int = 4,
        order: int = 2,
        hidden: int = 256,
        dropout: float = 0.2,
        edge_dropout: float = 0.3,
        least: float = 0.55,
    ):
        super().__init__()
        self.edge_dropout = check_range("edge_dropout", edge_dropout, 0.0, 1.0)
        self.least = check_range("least", least, 0.0, 1.0)
        self.association = PairwiseAssociation(shapes[PHENOTYPES][0])
        conv = partial(ChebConv, order=order, bias=False)
        self.stack = DeepStack(shapes[ROLE][0], width, layers, "jk", conv, dropout, norm=None)
        self.head = nn.Sequential(
            nn.Linear(self.stack.node_channels, hidden),
            nn.ReLU(),
            MaskedBatchNorm(hidden),
            nn.Linear(hidden, n_classes),
        )
        self.register_buffer("threshold", torch.zeros(()))

    def prepare(self, population: Population) -> None:
        """Take the threshold of affinities from the agreement of these people: 1.1 of two phenotypes."""
        self.threshold.fill_(self.least * population.agreement.max())

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C)."""
        return self._logits(population, self._draw(population) if self.training else None)

    @torch.no_grad()
    def uncertainty(self, population: Population, passes: int = 20) -> dict[str, Tensor]:
        """Return the answers under edge dropout: "mean" and "variance" (N, C) of the shares, "entropy" (N,) [nats].

        Parameters
        ----------
        population : Population
        passes : int
            Forward passes, each with other edges, in the mode that the network is in.
        """
        check_range("passes", passes, 1)
        draws = [self._logits(population, self._draw(population)).softmax(1) for _ in range(passes)]
        shares = torch.stack(draws)  # (passes, N, C)
        mean = shares.mean(0)
        entropy = -(mean * mean.clamp(min=TINY).log()).sum(1)
        return {"mean": mean, "variance": shares.var(0, correction=0), "entropy": entropy}

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return the weight of each edge, "edges" (N, N): row i says whom person i hears."""
        return {"edges": self.edges(population)[0]}

    def edges(self, population: Population, kept: Tensor | None = None) -> Tensor:
        """Return the weights (1, N, N) of the pairs that are alike enough, of the `kept` ones (1, N, N) if given."""
        pairs = population.graphs[ROLE].to_dense() > self.threshold
        return self.association(population.traits[None], pairs if kept is None else pairs & kept)

    def _draw(self, population: Population) -> Tensor:
        """The pairs that a pass keeps, bool (1, N, N), other ones at every pass."""
        return kept_pairs(population.fitted, len(population), self.edge_dropout, int(torch.randint(WORD, ())))

    def _logits(self, population: Population, kept: Tensor | None) -> Tensor:
        adjacency = Adjacency.from_dense(self.edges(population, kept))
        hidden = self.stack.node_embeddings(population.inputs[ROLE].x[None], adjacency)  # (1, N, 64)
        return self.head(hidden[0])


def ev_gcn(signals: Mapping[str, str]) -> PopulationSystem:
    """EV-GCN over 2000 connections, with edges from site, sex, age and whatever else the cohort names.

    Parameters
    ----------
    signals : {"features": modality}
    """
    return PopulationSystem(
        {ROLE: VectorView(select=2000)},
        EVGCNNetwork,
        graphs={ROLE: PopulationGraph(same=None, neighbours=None)},
        traits=PhenotypeView(),
        signals=dict(signals),
        learning_rate=0.01,
        weight_decay=5e-5,
        epochs=300,
        patience=50,
    )


SYSTEM = System(
    "ev-gcn",
    ev_gcn,
    "Huang and Chung 2020, MICCAI, arXiv:2009.02759",
    needs={ROLE: ("timeseries", "connectivity")},
    phenotypes="which pairs: site and categories among the confounds (sex); edge weights: site and all confounds",
    needs_phenotypes=True,
    transductive=True,
    found="2000 features, pairs of an affinity above 1.1, association network 128-128, four Chebyshev layers of 16 "
    "with three terms, jumping knowledge, head 256, dropout 0.2, edge dropout 0.3, learning rate 0.01, "
    "weight decay 5e-5, 300 epochs",
    inferred="1.1 is the threshold of two compared phenotypes; of another number it is the same share (0.55) of the "
    "largest agreement; AdamW and early stopping on an inner split after 50 epochs, where the release keeps the epoch "
    "that is best on the test people",
    claim="ABIDE 871: accuracy 81.06 %, AUC 84.98 (from memory)",
)
