"""iGLCN: a gate on each feature, a graph of people learned from the gated features, and two convolutions on it.

No graph is given. Who hears whom follows from differences in learned directions, so that for each person one can read
off which features counted and which training subjects the answer leaned on.

``x~ = x * sigmoid(m / t)``, ``h = P x~`` (70), ``S_ij = softmax_j(-relu(a^T |h_i - h_j|))``, j the fitted people and i
``Y = S drop(relu(S drop(x~) W_0 + b_0)) W_1 + b_1``; the rows of S sum to 1 and are used as they are, as means
loss = cross-entropy + (0.01 tr(H^T (I - S) H) - 0.0001 |S|_F^2) / N + 0.1 mean of the gates

On purpose unlike GLCN, after which it is named: ``sign="pos"``, the printed exponent ``+relu``, lets those hear each
other who differ, and with everybody a candidate, where GLCN has the edges of a given graph, nobody would hear himself;
a starts positive, since a sum that starts negative would never learn; the loss of the graph is a mean over people, so
that its weight does not depend on their number.

References
----------
Li et al. (2023). Developing a dynamic graph network for interpretable analysis of multi-modal MRI data in Parkinson's
disease diagnosis. IEEE EMBC. doi:10.1109/EMBC40787.2023.10340672
Jiang et al. (2019). Semi-supervised learning with graph learning-convolutional networks. CVPR.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.estimators.views import PHENOTYPES
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.losses.graph import glcn_loss
from graphfuse.nn.conv.product import linear_of_product
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.population import Population
from graphfuse.nn.structure.difference import DifferenceSimilarity
from graphfuse.nn.structure.feature_gate import FeatureGate
from graphfuse.systems.system import System


class Learned(NamedTuple):
    """What one pass gives.

    Parameters
    ----------
    x : tensor (1, N, F)
        Gated features.
    weight : tensor (1, N, N)
        S; rows sum to 1.
    logits : tensor (N, C)
    """

    x: Tensor
    weight: Tensor
    logits: Tensor


class IGLCNNetwork(nn.Module):
    """Feature gates, the learner of the graph, two convolutions.

    Parameters
    ----------
    shapes : dict of str to (P,)
    n_classes : int
    width : int
        Of h, the directions in which people are compared.
    hidden : int
        Of the convolutions.
    sign : {"neg", "pos"}
        Of the exponent, see `DifferenceSimilarity`.
    temperature : float
        t of the gates.
    dropout : float
    smooth, norm : float
        Weights of the two terms of the loss on the graph.
    sparsity : float
        Weight of the mean gate.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple],
        n_classes: int,
        width: int = 70,
        hidden: int = 30,
        sign: str = "neg",
        temperature: float = 1.0,
        dropout: float = 0.6,
        smooth: float = 0.01,
        norm: float = 1e-4,
        sparsity: float = 0.1,
    ):
        super().__init__()
        features = sum(shape[0] for role, shape in shapes.items() if role != PHENOTYPES)
        self.smooth, self.norm, self.sparsity = smooth, norm, sparsity
        self.gate = FeatureGate(features, temperature)
        self.learner = DifferenceSimilarity(features, width, sign)
        with torch.no_grad():
            self.learner.att.abs_()
        self.lins = nn.ModuleList([nn.Linear(features, hidden), nn.Linear(hidden, n_classes)])
        self.dropout = Dropout(dropout)

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C)."""
        return self.run(population).logits

    def loss(self, population: Population, rows: Tensor, codes: Tensor) -> Tensor:
        """Return the cross-entropy of some rows (B,) with codes (B,), and the losses of graph and gates."""
        learned, n = self.run(population), population.fitted
        h = self.learner.lin(learned.x)[:, :n]
        graph = glcn_loss(h, learned.weight[:, :n, :n], smooth=self.smooth, norm=self.norm) / n
        return cross_entropy(learned.logits[rows], codes) + graph + self.sparsity * self.gate.gates().mean()

    def run(self, population: Population) -> Learned:
        """Return what the network makes of a population."""
        x = self.gate(population.x)[None]  # (1, N, F)
        weight = self.learner(x, population.candidates)
        mean = Adjacency.from_dense(weight, layout="dense")
        first, second = self.lins
        hidden = linear_of_product(first, mean, self.dropout(x)).relu()
        return Learned(x, weight, linear_of_product(second, mean, self.dropout(hidden))[0])

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return what can be read off.

        "feature gate" (F,) and "edge importance" ``|P|^T |a|`` (F,), in the order of ``population.x``; "neighbour
        evidence" S (N, N), whose row i says how much of each person the mean of person i is made of.
        """
        return {
            "feature gate": self.gate.gates(),
            "edge importance": self.learner.importance(),
            "neighbour evidence": self.run(population).weight[0],
        }


def iglcn(signals: Mapping[str, str]) -> PopulationSystem:
    """iGLCN over every modality as it is: the gates choose the features.

    Parameters
    ----------
    signals : dict of str to str
        Role -> modality; any roles.
    """
    return PopulationSystem(
        {role: VectorView() for role in signals},
        IGLCNNetwork,
        same=(),
        signals=dict(signals),
        learning_rate=5e-3,
        weight_decay=1e-4,
        epochs=100,
        patience=20,
    )


SYSTEM = System(
    "iglcn",
    iglcn,
    "Li et al. 2023, IEEE EMBC",
    takes=("timeseries", "connectivity", "measures", "vector"),
    found="from the abstract: modalities side by side, people as nodes, a learned graph, interpretable features. From "
    "the code of GLCN, after which it is named: 70 directions, two convolutions of 30, weights 0.01 and 1e-4 of the "
    "loss on the graph, dropout 0.6, learning rate 5e-3, weight decay 1e-4",
    inferred="one gate a feature, with weight 0.1 of their mean; the exponent's sign (the printed one is an option); "
    "joint training, where GLCN trains the graph by its own loss alone; that loss a mean over people; rows of the "
    "graph used without another normalisation; inductive, as the abstract asks; AdamW in place of Adam; 100 epochs "
    "with early stopping on an inner split; a missing modality is the training mean, so that who lacks a large "
    "one is near everybody and much heard",
)
