"""VMM-DGCN: each person's connectome seen at several scales, a graph of people at each scale, a deep network on each.

Filters of several widths run over the selected connections; what a width sees makes its own graph among people, which
changes as the filters learn. A residual stack runs on each graph, and attention joins the scales.

``X_k = pool(relu(BN(Conv1d_k(x))))``, k = 3, 5, 7
``A_k = Sim(X_k) * sum_h gamma_h``, ``Sim = exp(-rho^2 / (2 sigma^2))``, the 10 largest of each row
``h <- h + relu(LayerNorm(Cheb_l(drop(h), DropEdge(A_k))))``, l = 1 .. 8, three terms; the first layer stands without
``h +``, and the edges are dropped once a stack
``z = sum_k beta_k V_k h_k``, ``beta = softmax_k(q . tanh(W V_k h_k + b))``, then an MLP of widths 16, 128, C

On purpose unlike the published script of its nearest relative: an attached person hears the fitted ones and is heard by
nobody; sigma and, in evaluation, the statistics of batch normalisation are those of the fitted people. Layers are
normalised: without it, as in that relative, eight of them over pooled filters did not learn their training people.

References
----------
Liu et al. (2024). DeepGCN based on variable multi-graph and multimodal data for ASD diagnosis. CAAI Transactions on
Intelligence Technology 9(4), 879-893. doi:10.1049/cit2.12340
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, pad

from graphfuse._check import check_option
from graphfuse.errors import InvalidOption
from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.estimators.vector_view import VectorView
from graphfuse.fusion.add import AddFusion
from graphfuse.fusion.attention import AttentionFusion
from graphfuse.fusion.concat import ConcatFusion
from graphfuse.graph.rows import Rows
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.affinity import correlation_affinity, one_way, shared_phenotypes, strongest
from graphfuse.nn.conv import ChebConv
from graphfuse.nn.deep import DeepStack
from graphfuse.nn.masked_norm import MaskedBatchNorm
from graphfuse.nn.population import Population
from graphfuse.systems.system import System

ROLE = "functional"
FUSIONS = {"attention": AttentionFusion, "concat": ConcatFusion, "mean": partial(AddFusion, scale="mean")}


class ScaleFilter(nn.Module):
    """``pool(relu(BN(Conv1d(x))))``: one filter width over a vector, brought to as many bins as one likes.

    Parameters
    ----------
    width : int
        Of the filters, odd.
    channels, bins : int
    """

    def __init__(self, width: int, channels: int, bins: int):
        super().__init__()
        if width % 2 == 0:
            raise InvalidOption(
                f"Filters need an odd width, or they shift what they see; got {width}. Take {width + 1}."
            )
        self.taps = nn.Linear(width, channels, bias=False)  # the norm has a bias
        self.norm, self.bins = nn.BatchNorm1d(channels), bins
        self.out_channels = channels * bins

    def forward(self, rows: Rows) -> Tensor:
        """Return (N, channels * bins), zeros for who was not measured."""
        x = rows.x[rows.present]  # (n, P)
        seen = self.norm(self.convolved(x).flatten(1)[None])[0].relu().unflatten(1, x.shape)  # (channels, n, P)
        pooled = adaptive_avg_pool1d(seen, self.bins).transpose(0, 1).flatten(1)
        return pooled.new_zeros(len(rows), self.out_channels).index_put((rows.present,), pooled)

    def convolved(self, x: Tensor) -> Tensor:
        """Return (channels, n, P): `torch.nn.functional.conv1d` of x (n, P) as one product, which is quicker."""
        half = self.taps.in_features // 2
        columns = pad(x, (half, half)).unfold(1, self.taps.in_features, 1).permute(2, 0, 1)  # (width, n, P)
        return (self.taps.weight @ columns.flatten(1)).unflatten(1, x.shape)


class VMMDGCNNetwork(nn.Module):
    """A filter, a graph and a residual stack a scale; fusion of the scales; head.

    Parameters
    ----------
    shapes : {"functional": (P,)}
    n_classes : int
    scales : sequence of int
        Widths of the filters.
    channels, bins : int
        Of each scale, whose features are their product; no more bins than connections.
    hidden, num_layers, order : int
        Of the stacks; order 2 has three terms.
    neighbours : int or None
        Fitted people that each one hears at a scale; None = all.
    dropout, drop_edge : float
    fusion : {"attention", "concat", "mean"}
    grad_through_graph : bool
        Let the graphs send gradients to the filters too.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple],
        n_classes: int,
        scales: Sequence[int] = (3, 5, 7),
        channels: int = 4,
        bins: int = 500,
        hidden: int = 16,
        num_layers: int = 8,
        order: int = 2,
        neighbours: int | None = 10,
        dropout: float = 0.2,
        drop_edge: float = 0.3,
        fusion: str = "attention",
        grad_through_graph: bool = False,
    ):
        super().__init__()
        self.neighbours, self.grad_through_graph = neighbours, grad_through_graph
        bins = min(bins, shapes[ROLE][0])
        self.filters = nn.ModuleDict({str(width): ScaleFilter(width, channels, bins) for width in scales})
        conv = partial(ChebConv, order=order)
        deep = {"kind": "res", "conv": conv, "dropout": dropout, "norm": "layer", "drop_edge": drop_edge}
        self.stacks = nn.ModuleDict({k: DeepStack(channels * bins, hidden, num_layers, **deep) for k in self.filters})
        make = FUSIONS[check_option("fusion", fusion, FUSIONS)]
        self.fusion = make(dict.fromkeys(self.filters, hidden), hidden)
        self.widen, self.norm = nn.Linear(hidden, 128), MaskedBatchNorm(128)
        self.classify = nn.Linear(128, n_classes)

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C)."""
        return self.classify(self.norm(self.widen(self._fused(population)[0]).relu()))

    def scales(self, population: Population) -> dict[str, Tensor]:
        """Return what each filter width sees of each person, (N, channels * bins)."""
        return {k: see(population.inputs[ROLE]) for k, see in self.filters.items()}

    def graph(self, x: Tensor, population: Population) -> Adjacency:
        """Return the graph (1, N, N) that one scale x (N, D) makes: whom each person hears."""
        x = x if self.grad_through_graph else x.detach()
        weight = correlation_affinity(x, population.fitted) * shared_phenotypes(population)
        return one_way(strongest(weight, self.neighbours))

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return the graph of each scale, "edges 3" ... (N, N), and, with attention, the "scales" (N, K) by name."""
        told = {f"edges {k}": self.graph(x, population).to_dense()[0] for k, x in self.scales(population).items()}
        shares = self._fused(population)[1]
        return told if shares is None else {**told, "scales": shares}

    def _fused(self, population: Population) -> tuple[Tensor, Tensor | None]:
        deep = {
            k: self.stacks[k].node_embeddings(x[None], self.graph(x, population))[0]
            for k, x in self.scales(population).items()
        }  # (N, hidden) each
        everybody = torch.ones(len(population), dtype=torch.bool)
        return self.fusion(deep, dict.fromkeys(deep, everybody))


def vmm_dgcn(signals: Mapping[str, str]) -> PopulationSystem:
    """VMM-DGCN over 2000 connections.

    Parameters
    ----------
    signals : {"functional": modality}
    """
    return PopulationSystem(
        {ROLE: VectorView(select=2000)},
        VMMDGCNNetwork,
        signals=dict(signals),
        learning_rate=1e-3,
        weight_decay=5e-5,
        epochs=200,
        patience=20,
    )


SYSTEM = System(
    "vmm-dgcn",
    vmm_dgcn,
    "Liu et al. 2024, CAAI Transactions on Intelligence Technology 9:879",
    needs={ROLE: ("timeseries", "connectivity")},
    phenotypes="edges: site and categories among the confounds (sex)",
    transductive=True,
    found="from the abstract: filters of several kernel sizes, a population graph with phenotypes at each scale, a "
    "deep graph network on each, fusion of the nodes. From the code of WL-DeepGCN, a near relative: 2000 features, "
    "three-term Chebyshev convolutions, 8 residual layers of 16, dropout 0.2, 0.3 of the edges dropped, head of 128, "
    "learning rate 1e-3, weight decay 5e-5, 200 epochs, patience 20",
    inferred="filter widths 3, 5, 7 with 4 channels and 500 bins, as many numbers as connections, in their given order "
    "(fewer bins average connections that have nothing in common, and lost the class); Parisot's "
    "graph with the 10 largest weights of each row, recomputed in every pass and, unless asked, without gradients; "
    "attention over scales; residual blocks; connections as a vector, not as a matrix; AdamW in place of Adam; layer "
    "normalisation in the stacks, without which they did not learn",
    claim="ABIDE I: accuracy 91.6 %, AUC 0.957",
)
