"""Hi-GCN: a network over each person's regions, and a network over people on top, trained as one.

Three graph convolutions read a person's connectome, eigen pooling gathers the regions into the clusters of the group,
and what both show is the person's vector in a Chebyshev network over the population graph. The two are trained as one,
so that a person's regions are read with an eye to her neighbours.

``X_l = relu(LayerNorm(A^ X_(l-1) W_l))`` (R, 128), l = 1, 2, 3
``X'_l = [U_0^T X_l || U_1^T X_l || U_2^T X_l]`` (K, 384), U_m the m-th Fourier mode of each cluster
``v = [max_r X_1 || max_k X'_1 || .. || max_r X_3 || max_k X'_3]`` (1536), standardised over the fitted people
``Y = Cheb(drop(relu(Cheb(drop(V)))))``, 1536 -> 16 -> C, four terms, over people

On purpose unlike the release: clusters and modes are those of one group graph of the fitted people, so that the k-th
cluster is the same regions in everybody; layer normalisation where the release makes a new batch normalisation in every
pass, which is never trained.

References
----------
Jiang et al. (2020). Hi-GCN: a hierarchical graph convolution network for graph embedding learning of brain network and
brain disorders prediction. Computers in Biology and Medicine 127:104096.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from graphfuse.estimators.population_system import PopulationSystem
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.population import PopulationGraph
from graphfuse.graph.subject import FunctionalGraph
from graphfuse.nn.conv import ChebConv, GCNConv
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.pool.eigen import EigenPooling
from graphfuse.nn.pool.spectral import mean_graph
from graphfuse.nn.population import Population
from graphfuse.nn.readout import max_readout
from graphfuse.systems.system import System

ROLE = "functional"


class GroupPooling(EigenPooling):
    """Eigen pooling whose group graph comes after it is made, so that its shape is known before it is fitted.

    Parameters
    ----------
    num_nodes, num_clusters, num_modes : int
    """

    def __init__(self, num_nodes: int, num_clusters: int, num_modes: int):
        nn.Module.__init__(self)
        self.register_buffer("clusters", torch.zeros(num_nodes, dtype=torch.int64))
        self.register_buffer("members", torch.zeros(num_nodes, num_clusters))
        self.register_buffer("basis", torch.zeros(num_modes, num_nodes, num_clusters))

    def prepare(self, graph: Tensor) -> None:
        """Take the clusters and modes of a group graph (R, R)."""
        modes, _, clusters = self.basis.shape
        self.load_state_dict(EigenPooling(graph, clusters, modes).state_dict())

    def held(self, nodes: Tensor) -> Tensor:
        """Return which clusters hold a usable node, bool (N, K), of usable nodes (N, R)."""
        return nodes.to(self.members) @ self.members > 0


class RegionNetwork(nn.Module):
    """A person's graph as one vector of ``(1 + num_modes) num_layers hidden`` numbers.

    Parameters
    ----------
    num_nodes, in_channels, hidden, num_layers, num_clusters, num_modes : int
    """

    def __init__(self, num_nodes, in_channels, hidden, num_layers, num_clusters, num_modes):
        super().__init__()
        widths = [in_channels, *(hidden,) * num_layers]
        self.convs = nn.ModuleList(GCNConv(wide, out) for wide, out in pairwise(widths))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in self.convs)
        self.pool = GroupPooling(num_nodes, num_clusters, num_modes)
        self.out_channels = (1 + num_modes) * num_layers * hidden

    def forward(self, graphs: Graphs) -> Tensor:
        """Return (N, out_channels)."""
        usable, held = graphs.nodes[..., None].to(graphs.x), self.pool.held(graphs.nodes)
        x, told = graphs.x, []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(x, graphs.adjacency)).relu() * usable  # (N, R, D), at least 0: zeros change no maximum
            told += [x.max(1).values, max_readout(self.pool(x, graphs.adjacency).x, held)]
        return torch.cat(told, -1)


class HiGCNNetwork(nn.Module):
    """A `RegionNetwork` under two Chebyshev convolutions over people.

    Parameters
    ----------
    shapes : {"functional": (R, F)}
    n_classes : int
    width, layers : int
        Of the convolutions over regions.
    cluster_size, modes : int
        Regions in a cluster, on average; Fourier modes that are kept of each.
    hidden, order : int
        Of the convolutions over people; order 3 has four terms.
    dropout : float
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        n_classes: int,
        width: int = 128,
        layers: int = 3,
        cluster_size: int = 10,
        modes: int = 3,
        hidden: int = 16,
        order: int = 3,
        dropout: float = 0.5,
    ):
        super().__init__()
        regions, features = shapes[ROLE]
        clusters = min(max(2, regions // cluster_size), regions)
        self.regions = RegionNetwork(regions, features, width, layers, clusters, modes)
        self.dropout = Dropout(dropout)
        wide = self.regions.out_channels
        self.convs = nn.ModuleList([ChebConv(wide, hidden, order), ChebConv(hidden, n_classes, order)])

    def prepare(self, population: Population) -> None:
        """Cluster the mean graph of the fitted people."""
        graphs = population.inputs[ROLE]
        self.regions.pool.prepare(mean_graph(graphs.adjacency[: population.fitted]))

    def forward(self, population: Population) -> Tensor:
        """Return logits (N, C)."""
        adjacency, graphs = population.graphs[ROLE], population.inputs[ROLE]
        first, second = self.convs
        people = _standardised(self.regions(graphs), graphs.present, population.fitted)  # (N, 1536)
        hidden = first(self.dropout(people[None]), adjacency).relu()
        return second(self.dropout(hidden), adjacency)[0]

    @torch.no_grad()
    def weights(self, population: Population) -> dict[str, Tensor]:
        """Return the cluster of each region, (R,), and the Fourier modes, (modes, R, K)."""
        return {"clusters": self.regions.pool.clusters.clone(), "modes": self.regions.pool.basis.clone()}


def _standardised(v: Tensor, present: Tensor, fitted: int) -> Tensor:
    """Vectors (N, P) of mean 0 and deviation 1 over the fitted people, zeros for who was not measured."""
    deviation, mean = torch.std_mean(v[:fitted][present[:fitted]], 0, correction=0)
    varies = (deviation > 1e-6) & present[:, None]  # (N, P)
    return torch.where(varies, (v - mean) / torch.where(varies, deviation, 1.0), 0.0)


def hi_gcn(signals: Mapping[str, str]) -> PopulationSystem:
    """Hi-GCN over functional graphs and the population graph of their connectomes.

    Parameters
    ----------
    signals : {"functional": modality}
    """
    return PopulationSystem(
        {ROLE: FunctionalGraph(nodes="profile")},
        HiGCNNetwork,
        graphs={ROLE: PopulationGraph(same=None, neighbours=None)},
        signals=dict(signals),
        learning_rate=1e-3,
        weight_decay=1e-2,
        epochs=30,
        patience=10,
    )


SYSTEM = System(
    "hi-gcn",
    hi_gcn,
    "Jiang et al. 2020, Computers in Biology and Medicine 127:104096",
    needs={ROLE: ("timeseries", "connectivity")},
    phenotypes="edges: site and categories among the confounds (sex)",
    transductive=True,
    found="three convolutions of 128 over regions, eigen pooling, concatenation of layers, four-term Chebyshev "
    "convolutions 1536-16-C over a phenotype-weighted similarity graph, trained jointly, dropout 0.5, learning rate "
    "1e-3",
    inferred="how layers and modes make up 1536: the maximum over regions and over clusters of each layer, three "
    "modes; clusters of ten regions, of the group's graph; vectors standardised over the fitted people; edges among "
    "regions are the strongest tenth of |correlation|; the population graph's kernel; 30 epochs in place of 250, for "
    "time; AdamW of weight decay 0.01 without the clip at 2; early stopping on an inner split",
    claim="ABIDE: accuracy 73.1 %, AUC 0.823; ADNI: accuracy 78.5 %, AUC 0.865",
)
