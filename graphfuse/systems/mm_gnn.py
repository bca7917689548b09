"""MM-GNN: two networks over one graph of people, in which being alike in both modalities counts, and a mean of both.

Each person's regional values become a network of how far pairs of regions deviate from the controls. People are joined
by how alike these are in either modality and in both side by side, and by phenotypes; each modality has its Chebyshev
network on the joint graph, and the answer is the mean of the two probabilities.

``B = (1 - tanh(E)) * M``, ``E_ij = |(f_i - mu_i) - (f_j - mu_j)| / s_ij``, mu, s, M of the training controls
``A_m = Sim(F_m) * gamma``, ``A_im = A_1 * A_2``, ``A_fm = Sim([F_1 || F_2]) * gamma``, ``A_if = A_im * A_fm``
``z_m = W drop(relu(Cheb(relu(Cheb(F_m)))))`` on ``D^-1/2 (A_if + I) D^-1/2``, ``p = (softmax z_1 + softmax z_2) / 2``
loss = cross-entropy of z_1 + cross-entropy of z_2

Who lacks a modality is left out of its branch of the mean and of its loss, and ``Sim(F_m)`` is 1 for him.

On purpose unlike the release: no edges from cognitive scores such as the MMSE, which are part of the diagnosis and
would make edges of labels; one optimiser, whose steps are those of one a branch, since the branches share no parameter.

References
----------
Zhang et al. (2023). Multi-modal graph neural network for early diagnosis of Alzheimer's disease from sMRI and PET
scans. Computers in Biology and Medicine 164:107328. arXiv:2307.16366
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from graphfuse.estimators.individual_view import IndividualNetworkView
from graphfuse.estimators.population_system import EVERYTHING, PopulationSystem
from graphfuse.graph.population import PopulationGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.affinity import one_way, shared_phenotypes
from graphfuse.nn.conv import ChebConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.population import Population
from graphfuse.systems.system import System

ROLES = ("first", "second")


class Branch(nn.Module):
    """``W drop(relu(Cheb(relu(Cheb(x))))) + b`` over people.

    Parameters
    ----------
    in_channels, hidden, n_classes, order : int
    dropout : float
    """

    def __init__(self, in_channels: int, hidden: int, n_classes: int, order: int, dropout: float):
        super().__init__()
        self.convs = nn.ModuleList([ChebConv(in_channels, hidden, order), ChebConv(hidden, hidden, order)])
        self.dropout, self.classify = Dropout(dropout), nn.Linear(hidden, n_classes)

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return logits (N, C) of x (N, P)."""
        h = x[None]
        for conv in self.convs:
            h = conv(h, adjacency).relu()
        return self.classify(self.dropout(h))[0]


class MMGNNNetwork(nn.Module):
    """A `Branch` a modality over the joint graph.

    Parameters
    ----------
    shapes : {"first": (P,), "second": (P',)}
    n_classes : int
    hidden, order : int
        Of the convolutions; order 2 has three terms.
    dropout : float
    """

    def __init__(
        self, shapes: Mapping[str, tuple], n_classes: int, hidden: int = 32, order: int = 2, dropout: float = 0.5
    ):
        super().__init__()
        self.branches = nn.ModuleDict(
            {role: Branch(shapes[role][0], hidden, n_classes, order, dropout) for role in ROLES}
        )

    def forward(self, population: Population) -> Tensor:
        """Return the logarithm of the mean of the branches' probabilities, (N, C), which are logits."""
        logits, counted = self.branch_logits(population), _counted(population)
        share = (counted / counted.sum(1, keepdim=True)).log()  # (N, 2), -inf for a branch that is left out
        return torch.stack([z.log_softmax(1) + share[:, [m]] for m, z in enumerate(logits.values())]).logsumexp(0)

    def loss(self, population: Population, rows: Tensor, codes: Tensor) -> Tensor:
        """Return the sum over branches of the cross-entropy of those rows (B,) who have the modality; codes (B,)."""
        counted = _counted(population)[rows]  # (B, 2)
        losses = [cross_entropy(z[rows], codes, reduction="none") for z in self.branch_logits(population).values()]
        return (torch.stack(losses, 1) * counted / counted.sum(0).clamp(min=1)).sum()

    def branch_logits(self, population: Population) -> dict[str, Tensor]:
        """Return the logits (N, C) of each branch."""
        adjacency = joint_graph(population).normalised("sym")
        return {role: branch(population.inputs[role].x, adjacency) for role, branch in self.branches.items()}

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return A_if, "edges" (N, N), and each branch's probabilities, "first" and "second" (N, C)."""
        logits = self.branch_logits(population)
        edges = joint_graph(population).to_dense()[0]
        return {"edges": edges, **{role: z.softmax(1) for role, z in logits.items()}}


def joint_graph(population: Population) -> Adjacency:
    """Return ``A_if = A_1 * A_2 * A_fm``, (1, N, N); a pair in which somebody lacks modality m has gamma as A_m."""
    n = population.fitted
    weight = _of_fitted(population, EVERYTHING)
    for role in ROLES:
        present = population.inputs[role].present
        both = present[:, None] & present[:n]
        weight = weight * torch.where(both, _of_fitted(population, role), shared_phenotypes(population))
    return one_way(weight)


def _of_fitted(population: Population, name: str) -> Tensor:
    """Weights (N, n) of a graph that stands."""
    return population.graphs[name].to_dense()[0, :, : population.fitted]


def _counted(population: Population) -> Tensor:
    """Which branches count for each person, float (N, 2): those one has, and both for who has none."""
    present = torch.stack([population.inputs[role].present for role in ROLES], 1)
    return (present | ~present.any(1, keepdim=True)).float()


def mm_gnn(signals: Mapping[str, str]) -> PopulationSystem:
    """MM-GNN over the individual networks of two modalities; class 0 are the controls.

    Parameters
    ----------
    signals : {"first": modality, "second": modality}
    """
    return PopulationSystem(
        {role: IndividualNetworkView() for role in ROLES},
        MMGNNNetwork,
        graphs={name: PopulationGraph(same=None, neighbours=None) for name in (*ROLES, EVERYTHING)},
        signals=dict(signals),
        learning_rate=1e-3,
        weight_decay=5e-4,
        epochs=100,
        patience=30,
    )


SYSTEM = System(
    "mm-gnn",
    mm_gnn,
    "Zhang et al. 2023, Computers in Biology and Medicine 164:107328, arXiv:2307.16366",
    needs=dict.fromkeys(ROLES, ("measures", "vector")),
    phenotypes="edges: site and categories among the confounds (sex)",
    transductive=True,
    found="two branches of two three-term Chebyshev convolutions of 32, dropout 0.5, learning rate 1e-3, weight decay "
    "5e-4, 100 epochs, the product of the graphs, normalised before the convolutions, mean of probabilities; from a "
    "third party's notes: the networks and the four graphs",
    inferred="M averages W; each measure of a modality has its network; entries are standardised over the training "
    "subjects; phenotypes are those of the cohort where the paper has sex, age, APOE and MMSE; early stopping on an "
    "inner split, whose people are no controls of the reference; AdamW in place of Adam; the controls are the "
    "first class of the coding; a missing modality, of which zeros widen sigma for all",
)
