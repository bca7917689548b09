"""EMO-GCN: two graphs of different things, pooled to what neighbours cannot foretell, joined and gated by feature.

The paper takes EEG channels and slices of speech; here any two modalities, each over its own regions.

``alpha = sigmoid(W2 relu(W1 mean_F(X)))``, ``X <- alpha X``; the first modality is narrowed by GraphSAGE
``X <- relu(W [x_i || mean_j x_j])``, a mean weighted by edges; three times ``X <- relu(D^-1/2 (A + I) D^-1/2 X W)``,
then structure pooling: kept are the nodes of largest ``|| ((I - D^-1/2 A D^-1/2) X)_i ||_1``, and
``A'_p = sparsemax_q(LeakyReLU(a . [x_p || x_q]) + A_pq)``; ``h_m = sum_l relu([max X_l || mean X_l])``;
``h = [h_1 || h_2]``, ``h' = P softmax(W h) * h``, an MLP.

On purpose unlike the source: the gate is scaled by P, the number of features that are there, so that equal shares leave
h as it is; a missing modality is zeros and has no share; both graphs keep the strongest tenth of their edges, where the
paper joins neighbouring electrodes and consecutive slices.

References
----------
Xing et al. (2024). EMO-GCN. Scientific Reports 14:28400. Zhang et al. (2019). Hierarchical graph pooling with structure
learning. arXiv:1911.05954 (the pooling, the sum over levels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.subject_graph import SubjectGraph
from graphfuse.nn.conv import GCNConv, SAGEConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.jumping import jumping_readout
from graphfuse.nn.node_gate import NodeGate
from graphfuse.nn.pool.contract import Pooled
from graphfuse.nn.pool.levels import pool_levels, survived
from graphfuse.nn.pool.structure import StructurePooling
from graphfuse.nn.simplex import masked_softmax
from graphfuse.systems.system import System

FIRST, SECOND = "first", "second"


class StructureBranch(nn.Module):
    """The stack of one modality: a gate on its nodes, then convolutions and structure poolings in turn.

    Parameters
    ----------
    num_nodes, in_channels : int
    hidden, depth : int
        Width of each level, and how many there are.
    ratio : float
        Of the nodes that each pooling keeps.
    narrow : Module or None
        ``(x, adjacency) -> (G, R, hidden)``, before the first level; None = the first level narrows.
    """

    def __init__(
        self, num_nodes: int, in_channels: int, hidden: int, depth: int, ratio: float, narrow: nn.Module | None = None
    ):
        super().__init__()
        first = in_channels if narrow is None else hidden
        self.gate, self.narrow = NodeGate(num_nodes), narrow
        self.convs = nn.ModuleList(GCNConv(hidden if level else first, hidden) for level in range(depth))
        self.pools = nn.ModuleList(StructurePooling(hidden, ratio) for _ in range(depth))
        self.pools[-1].att.requires_grad_(False)  # no convolution hears the last graph, only its nodes are read out

    def forward(self, graphs: Graphs) -> list[Pooled]:
        """Return what each level kept, and the graph that it learned."""
        x = self.gate(graphs.x, graphs.nodes)
        x = x if self.narrow is None else self.narrow(x, graphs.adjacency).relu()
        return pool_levels(self.convs, self.pools, x, graphs.adjacency, graphs.nodes)


class EMOGCNNetwork(nn.Module):
    """A branch a modality, the feature gate over both, and an MLP of widths 4 D, D, D / 2, C.

    Parameters
    ----------
    shapes : {"first": (R, F), "second": (R', F')}
    n_classes : int
    hidden, depth : int
        Width D of each level, and how many there are.
    ratio : float
        Of the nodes that each pooling keeps.
    dropout : float
        In the MLP.
    narrowed : sequence of str
        Modalities whose features GraphSAGE narrows first.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        n_classes: int,
        hidden: int = 128,
        depth: int = 3,
        ratio: float = 0.5,
        dropout: float = 0.5,
        narrowed: Sequence[str] = (FIRST,),
    ):
        super().__init__()
        narrow = {role: SAGEConv(shapes[role][1], hidden) for role in narrowed}
        self.branches = nn.ModuleDict(
            {role: StructureBranch(*shapes[role], hidden, depth, ratio, narrow.get(role)) for role in (FIRST, SECOND)}
        )
        self.gate = nn.Linear(4 * hidden, 4 * hidden, bias=False)
        self.head = nn.Sequential(
            nn.Linear(4 * hidden, hidden),
            nn.ReLU(),
            Dropout(dropout),
            nn.Linear(hidden, hidden // 2),
            nn.ReLU(),
            nn.Linear(hidden // 2, n_classes),
        )

    def forward(self, inputs: Mapping[str, Graphs]) -> Tensor:
        """Return logits (B, C)."""
        h, there = self._embed(inputs, self._run(inputs))
        return self.head(self._share(h, there) * there.sum(1, keepdim=True) * h)

    @torch.no_grad()
    def weights(self, inputs: Mapping[str, Graphs]) -> dict[str, Tensor]:
        """Return the gates, how long nodes were kept, and the learned graphs.

        By modality: ``gate_ROLE`` (B, R) in 0 .. 1, ``survived_ROLE`` int (B, R) levels, and by level the learned
        ``graph_ROLE_LEVEL`` (B, r, r) in the order of ``kept_ROLE_LEVEL`` (B, r). ``features`` (B, 4 D) are the shares
        of the feature gate.
        """
        runs, told = self._run(inputs), {}
        for role, levels in runs.items():
            graphs = inputs[role]
            told[f"gate_{role}"] = self.branches[role].gate.weights(graphs.x, graphs.nodes)
            told[f"survived_{role}"] = survived(levels, graphs.x.shape[1])
            for number, level in enumerate(levels[:-1], 1):  # the last graph is not learned
                told[f"graph_{role}_{number}"] = level.adjacency.to_dense()
                told[f"kept_{role}_{number}"] = level.kept
        return {**told, "features": self._share(*self._embed(inputs, runs))}

    def _run(self, inputs: Mapping[str, Graphs]) -> dict[str, list[Pooled]]:
        return {role: branch(inputs[role]) for role, branch in self.branches.items()}

    def _embed(self, inputs: Mapping[str, Graphs], runs: Mapping[str, list[Pooled]]) -> tuple[Tensor, Tensor]:
        """Both embeddings side by side, (B, 4 D), zeros for a missing one, and which numbers are there."""
        parts = [jumping_readout((level.x, level.nodes) for level in runs[role]) for role in runs]  # 2 x (B, 2 D)
        there = torch.cat([inputs[role].present[:, None].expand_as(h) for role, h in zip(runs, parts, strict=True)], 1)
        return torch.where(there, torch.cat(parts, 1), 0.0), there

    def _share(self, h: Tensor, there: Tensor) -> Tensor:
        return masked_softmax(self.gate(h), there)


def emo_gcn(signals: Mapping[str, str]) -> SubjectSystem:
    """EMO-GCN over two modalities, each a graph of its regions.

    Parameters
    ----------
    signals : {"first": modality, "second": modality}
    """
    return SubjectSystem(
        {FIRST: SubjectGraph(), SECOND: SubjectGraph()},
        EMOGCNNetwork,
        signals=dict(signals),
        learning_rate=1e-3,
        weight_decay=1e-3,
        epochs=35,
        patience=10,
        batch_size=64,
    )


KINDS = ("timeseries", "connectivity", "measures")

SYSTEM = System(
    "emo-gcn",
    emo_gcn,
    "Xing et al. 2024, Scientific Reports 14:28400",
    needs={FIRST: KINDS, SECOND: KINDS},
    found="GraphSAGE before the first modality, 3 levels of GCN, structure learning pooling and readout, node and "
    "feature attention with a Hadamard product (all from third-party notes); the pooling's formulas and its ratio 0.5, "
    "learning rate 1e-3 and weight decay 1e-3 from the code of the pooling",
    inferred="the form of both gates; the graphs (strongest 10 %) and features of any two modalities in place of EEG "
    "and speech; one scan a person in place of 29 segments; the MLP and its dropout; width 128, that of the "
    "pooling's code; AdamW in place of Adam; batches of 64 and at most 35 epochs in place of 512 and 1000, for time "
    "on a CPU; a region whose learned graph has a weight to itself gets no other 1 there before the next convolution",
    claim="MODMA, EEG + speech: accuracy 96.3 %; whether segments of one person were kept together is not stated",
)
