"""HGNN: hyperedges of people, a person and her most alike, one group a modality, set side by side.

``H = [H_1 || .. || H_M]``, ``Theta = Dv^-1/2 H De^-1 H^T Dv^-1/2``
``y = Theta drop(relu(Theta X W_1 + b_1)) W_2 + b_2``

Column i of H_m holds person i and the 10 nearest in modality m, with membership ``exp(-d^2 / avg_d^2)``. This
concatenation is the whole fusion of graphs; X is the features of all modalities side by side. Who lacks a modality is
in no hyperedge of it.

On purpose unlike the release, which is transductive: a new person hears a hyperedge of her own over the fitted people,
and nobody hears her.

References
----------
Feng, You, Zhang, Ji and Gao (2019). Hypergraph neural networks. AAAI. arXiv:1809.09401
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse.estimators.population_system import EVERYTHING, PopulationSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.estimators.views import PHENOTYPES
from graphfuse.graph.hypergraph import PopulationHypergraph
from graphfuse.nn.conv.hypergraph import HypergraphConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.population import Population
from graphfuse.systems.system import System


class HGNNNetwork(nn.Module):
    """Two hypergraph convolutions over people, of widths 128 and C.

    Parameters
    ----------
    shapes : dict of str to (P,)
    n_classes : int
    hidden : int
    dropout : float
    """

    def __init__(self, shapes: Mapping[str, tuple], n_classes: int, hidden: int = 128, dropout: float = 0.5):
        super().__init__()
        width = sum(shape[0] for role, shape in shapes.items() if role != PHENOTYPES)
        self.dropout = Dropout(dropout)
        self.convs = nn.ModuleList([HypergraphConv(width, hidden), HypergraphConv(hidden, n_classes)])

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C); the graph "all" is Theta, multiplied as it is."""
        theta = population.graphs[EVERYTHING]
        first, second = self.convs
        hidden = first(features(population)[None], theta).relu()  # (1, N, D)
        return second(self.dropout(hidden), theta)[0]

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return Theta, "edges" (N, N): row i says whom person i hears."""
        return {"edges": population.graphs[EVERYTHING].to_dense()[0]}


def features(population: Population) -> Tensor:
    """Return the vectors of all modalities side by side, (N, sum P), zeros for who lacks one."""
    roles = [population.inputs[role] for role in sorted(population.inputs)]
    return torch.cat([torch.where(rows.present[:, None], rows.x.flatten(1), 0.0) for rows in roles], 1)


def hgnn(signals: Mapping[str, str]) -> PopulationSystem:
    """HGNN over 256 components of every modality.

    Parameters
    ----------
    signals : dict of str to str
        Role -> modality; any roles.
    """
    return PopulationSystem(
        {role: VectorView(components=256) for role in signals},
        HGNNNetwork,
        graphs={EVERYTHING: PopulationHypergraph(neighbours=10)},
        same=(),
        signals=dict(signals),
        learning_rate=1e-3,
        weight_decay=5e-4,
        epochs=300,
        patience=50,
    )


SYSTEM = System(
    "hgnn",
    hgnn,
    "Feng et al. 2019, AAAI, arXiv:1809.09401",
    takes=("timeseries", "connectivity", "measures", "vector"),
    transductive=True,
    found="hyperedge of a node and its nearest, soft membership, groups of modalities side by side, two convolutions, "
    "hidden 128, dropout 0.5, learning rate 1e-3",
    inferred="10 neighbours beside the centre, whom the code's 10 counts; node features (256 components a "
    "modality, side by side); weight decay 5e-4; 300 epochs with early stopping on an inner split; how new people are "
    "attached",
)
