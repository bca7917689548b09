"""The population graph network of Parisot and others.

Node features are the functional connections that recursive elimination with a ridge classifier keeps; edges are
similarity of features times agreement in sex and site; Chebyshev convolutions of order 3.

References
----------
Parisot et al. (2018). Disease prediction using graph convolutional networks: application to autism spectrum disorder
and Alzheimer's disease. Medical Image Analysis 48, 117-130.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.graph.population import PopulationGraph
from graphfuse.nn.conv import ChebConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.population import Population
from graphfuse.systems.system import System

ROLE = "features"


class ParisotNetwork(nn.Module):
    """``Cheb(drop(relu(Cheb(drop(X)))))`` over people.

    Parameters
    ----------
    shapes : dict of str to (P,)
    n_classes : int
    hidden : int
    order : int
        Highest degree of the polynomials: 3 has four terms.
    dropout : float
    """

    def __init__(self, shapes: Mapping[str, tuple], n_classes: int, hidden=16, order=3, dropout=0.3):
        super().__init__()
        self.dropout = Dropout(dropout)
        self.convs = nn.ModuleList([ChebConv(shapes[ROLE][0], hidden, order), ChebConv(hidden, n_classes, order)])

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C)."""
        adjacency = population.graphs[ROLE]
        first, second = self.convs
        hidden = first(self.dropout(population.inputs[ROLE].x[None]), adjacency).relu()  # (1, N, D)
        return second(self.dropout(hidden), adjacency)[0]


def parisot(signals: Mapping[str, str]) -> PopulationSystem:
    """Parisot's population network over 2000 connections.

    Parameters
    ----------
    signals : {"features": modality}
    """
    return PopulationSystem(
        {ROLE: VectorView(select=2000)},
        ParisotNetwork,
        graphs={ROLE: PopulationGraph(same=None, neighbours=None)},
        signals=dict(signals),
        learning_rate=5e-3,
        weight_decay=5e-4,
        epochs=150,
        patience=30,
    )


SYSTEM = System(
    "parisot",
    parisot,
    "Parisot et al. 2018, Medical Image Analysis 48:117",
    needs={ROLE: ("timeseries", "connectivity")},
    phenotypes="edges: site and categories among the confounds (sex)",
    transductive=True,
    found="features, graph, order 3 (four terms), one hidden layer of 16, dropout 0.3, learning rate 5e-3, 150 epochs",
    inferred="early stopping on an inner split in place of the published script's test set",
    claim="ABIDE 871: accuracy 70.4 %, AUC 0.75",
)
