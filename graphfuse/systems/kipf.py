"""The graph convolutional network of Kipf and Welling, people as its nodes.

``Y = softmax(A^ relu(A^ X W0) W1)``, ``A^ = D^-1/2 (A + I) D^-1/2``.

References
----------
Kipf and Welling (2017). Semi-supervised classification with graph convolutional networks. ICLR. arXiv:1609.02907
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from graphfuse.estimators.population_system import EVERYTHING, PopulationSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.graph.population import PopulationGraph
from graphfuse.nn.conv import GCNConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.population import Population
from graphfuse.systems.system import System


class KipfNetwork(nn.Module):
    """Two graph convolutions over people: ``A^ drop(relu(A^ drop(X) W0)) W1``.

    Parameters
    ----------
    shapes : dict of str to (P,)
    n_classes : int
    hidden : int
    dropout : float
    conv : callable (in_channels, out_channels) -> Module
        What takes the place of A^ x W.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple],
        n_classes: int,
        hidden: int = 16,
        dropout: float = 0.5,
        conv: Callable[[int, int], nn.Module] = GCNConv,
    ):
        super().__init__()
        width = sum(shape[0] for role, shape in shapes.items() if role != "phenotypes")
        self.dropout = Dropout(dropout)
        self.convs = nn.ModuleList([conv(width, hidden), conv(hidden, n_classes)])

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C)."""
        adjacency = population.graphs[EVERYTHING]
        first, second = self.convs
        hidden = first(self.dropout(population.x[None]), adjacency).relu()  # (1, N, D)
        return second(self.dropout(hidden), adjacency)[0]


def kipf(signals: Mapping[str, str]) -> PopulationSystem:
    """Kipf and Welling's network over the modalities side by side, reduced to 256 components.

    Parameters
    ----------
    signals : dict of str to str
        Role -> modality; any roles.
    """
    return PopulationSystem(
        {role: VectorView(components=256) for role in signals},
        KipfNetwork,
        graphs={EVERYTHING: PopulationGraph(same=None)},
        signals=dict(signals),
        learning_rate=0.01,
        weight_decay=5e-4,
        epochs=200,
        patience=10,
    )


SYSTEM = System(
    "kipf",
    kipf,
    "Kipf and Welling 2017, ICLR, arXiv:1609.02907",
    takes=("timeseries", "connectivity", "measures", "vector"),
    phenotypes="edges: site and categories among the confounds (sex)",
    transductive=True,
    found="layers, hidden 16, dropout 0.5, learning rate 0.01, weight decay 5e-4, 200 epochs, patience 10",
    inferred="the graph (Parisot's, 10 neighbours) and the node features; AdamW in place of Adam; weight decay on "
    "all layers",
)
