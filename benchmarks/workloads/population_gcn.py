"""One training epoch of a two-layer GCN on a population graph: 871 people, 2000 features, hidden width 16.

The graphs: the 10 and the 20 nearest of each person, and the one of Parisot et al. 2018, in which people are joined
who agree in sex or in site and the weight is their similarity; as sex has two values, most pairs are joined.

An epoch is forward, backward and one Adam step over everybody. The peer is PyTorch Geometric with its normalisation
cached: its default path (gather and scatter over an edge index) and its path over a torch CSR matrix, whose product
torch makes itself. Initial weights are the same; the error is that of the logits.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy
from torch_geometric.nn import GCNConv as PyGConv

from benchmarks.paired import OURS, Floor, compare
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import GCNConv

N, F, HIDDEN, CLASSES = 871, 2000, 16, 2


def nearest(x: torch.Tensor, k: int) -> torch.Tensor:
    """Edges (N, N) from the k most correlated others of each person, made symmetric."""
    units = torch.nn.functional.normalize(x - x.mean(1, keepdim=True), dim=1)
    source = (units @ units.T).fill_diagonal_(-2).topk(k, dim=1).indices
    weight = torch.zeros(len(x), len(x)).scatter_(1, source, 1.0)
    return torch.maximum(weight, weight.T)


def agreeing(x: torch.Tensor) -> torch.Tensor:
    """Weights (N, N): similarity times the number of agreements in sex (85 % of one) and in site (of 20)."""
    sex, site = torch.rand(len(x)) < 0.85, torch.randint(0, 20, (len(x),))
    rho = 1 - torch.corrcoef(x)
    agreements = (sex[:, None] == sex).float() + (site[:, None] == site).float()
    return (torch.exp(-(rho**2) / (2 * rho.mean() ** 2)) * agreements).fill_diagonal_(0)


class Network(torch.nn.Module):
    """Two convolutions with a ReLU between them."""

    def __init__(self, first: torch.nn.Module, second: torch.nn.Module):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: torch.Tensor, graph: tuple) -> torch.Tensor:
        return self.second(self.first(x, *graph).relu(), *graph)


def epoch(network: Network, x: torch.Tensor, graph, target: torch.Tensor):
    """A callable that trains one epoch."""
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)

    def run() -> None:
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(network(x, graph).view(-1, CLASSES), target).backward()
        optimiser.step()

    return run


def contest(name: str, weight: torch.Tensor, x: torch.Tensor):
    """The row of one graph, weights (N, N)."""
    target = torch.arange(N) % CLASSES
    adjacency = Adjacency.from_dense(weight)
    index, values = adjacency.to_edge_index()
    matrix = weight.to_sparse_csr()
    ours = Network(GCNConv(F, HIDDEN), GCNConv(HIDDEN, CLASSES))
    contestants = {OURS: epoch(ours, x[None], (adjacency,), target)}
    wanted, errors = ours(x[None], (adjacency,))[0].detach(), []
    for peer, graph in {"PyG GCNConv cached": (index, values), "PyG GCNConv cached, CSR": (matrix,)}.items():
        theirs = Network(PyGConv(F, HIDDEN, cached=True), PyGConv(HIDDEN, CLASSES, cached=True))
        theirs.load_state_dict(ours.state_dict())
        said = theirs(x, graph).detach()
        errors.append(float((wanted - said).abs().max() / said.abs().max()))
        contestants[peer] = epoch(theirs, x, graph, target)
    return compare(
        f"population GCN {N} x {F}, {name}, epoch",
        contestants,
        repeats=9,
        error=max(errors),
        floors=[Floor("PyG GCNConv cached", 3)],
        notes=f"{index.shape[1]} edges, {adjacency.layout}. Where edges are few, x W and its gradient bind, which are "
        f"the same for all ({4 * N * F * HIDDEN / 1e6:.0f} Mflop).",
    )


def rows():
    """Nearest neighbours and the published graph."""
    torch.manual_seed(0)
    x = torch.randn(N, F)
    for k in (10, 20):
        yield contest(f"{k} neighbours", nearest(x, k), x)
    yield contest("same sex or site", agreeing(x), x)
