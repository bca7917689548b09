"""Subject graphs: a training epoch of a two-layer GCN, against every path of PyTorch Geometric.

200 graphs of 200 regions at 2, 10 and 30 % density, and 828 complete graphs of 110 regions; node features are as wide
as a connectivity profile (R), hidden width 32, mean readout, Adam, all graphs in one step. The peers are used at their
best: graphs are collated beforehand, "CSR" has the normalised operator stored once (``normalize=False``), "dense" is
``DenseGCNConv`` on stacked matrices. All train the same weights; the error is that of the losses of a turn.
A row with shuffled batches of 50 shows what a batch costs: ours is selected from the stack, PyG's is collated by its
`DataLoader`, dense matrices are indexed.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Iterable

import torch
import torch_geometric.nn as pyg
from torch import nn
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader

from benchmarks.paired import OURS, Floor, Row, compare
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv import GCNConv

WIDTH, BATCH, STEPS = 32, 50, 3
warnings.filterwarnings("ignore", message="Sparse invariant checks")


def rows() -> Iterable[Row]:
    """Three densities, shuffled batches, and complete graphs."""
    for density, scatter, best in ((0.02, 2.5, 1.5), (0.1, 13, 1.5), (0.3, 30, 1.3)):
        floors = [Floor("PyG scatter", scatter), Floor("best", best)]
        problem = Problem(random_graphs(200, 200, density))
        contestants = {OURS: ours(problem), **{name: peer(problem) for name, peer in PEERS.items()}}
        yield compare(f"subject GCN, epoch, 200 x 200, {density:.0%}", contestants, floors=floors)
    problem = Problem(random_graphs(200, 200, 0.1))
    contestants = {OURS: ours(problem, BATCH), "PyG DataLoader": loader(problem), "PyG dense": dense(problem, BATCH)}
    yield compare("subject GCN, epoch in shuffled batches of 50, 200 x 200, 10%", contestants, error=False)
    yield complete()


def complete() -> Row:
    """828 complete graphs: our own seconds of CPU, beside PyG's dense layer."""
    problem = Problem(random_graphs(828, 110, 1.0))
    run = ours(problem, BATCH, steps=1)
    run()
    before = time.process_time()
    run()
    seconds = time.process_time() - before
    return compare(
        "subject GCN, epoch in batches of 50, 828 complete graphs of 110",
        {OURS: run, "PyG dense": dense(problem, BATCH, steps=1)},
        error=False,
        checks={"1 CPU-second": seconds <= 1.0},
        notes=f"{seconds:.2f} CPU-seconds an epoch",
    )


def random_graphs(graphs: int, regions: int, density: float) -> torch.Tensor:
    """Symmetric weights (G, R, R) with that share of the pairs joined."""
    generator = torch.Generator().manual_seed(0)
    upper = torch.rand(graphs, regions, regions, generator=generator).triu(1)
    count = max(1, int(density * regions * (regions - 1) / 2))
    least = upper.flatten(1).kthvalue(regions * regions - count + 1, 1).values[:, None, None]
    kept = upper * (upper >= least)
    return kept + kept.mT


class Problem:
    """Graphs, node features, and the weights that everybody starts from."""

    def __init__(self, weight: torch.Tensor):
        self.weight = weight
        self.graphs, self.regions, _ = weight.shape
        self.x = torch.randn(*weight.shape, generator=torch.Generator().manual_seed(1))
        self.adjacency = Adjacency.from_dense(weight)
        layers = [GCNConv(self.regions, WIDTH), GCNConv(WIDTH, WIDTH), nn.Linear(WIDTH, 2)]
        self.start = nn.ModuleList(layers).state_dict()

    def epochs(self, conv: Callable, forward: Callable, batches: Callable, steps: int) -> Callable:
        """A callable that trains `steps` epochs from the same weights and returns the losses."""
        template = nn.ModuleList([conv(self.regions, WIDTH), conv(WIDTH, WIDTH), nn.Linear(WIDTH, 2)])
        template.load_state_dict(self.start)

        def run():
            network = copy.deepcopy(template)
            optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
            losses = []
            for batch in (batch for _ in range(steps) for batch in batches()):
                optimiser.zero_grad()
                logits = network[2](forward(network, batch).mean(1))  # (B, C)
                loss = nn.functional.cross_entropy(logits, torch.arange(len(logits)) % 2)
                loss.backward()
                optimiser.step()
                losses.append(loss.detach())
            return torch.stack(losses)

        return run

    def shuffled(self, size: int | None) -> Callable:
        """Rows of each batch, drawn anew; None: everybody, as a slice."""
        if size is None:
            return lambda: [slice(None)]
        return lambda: torch.randperm(self.graphs).split(size)


def ours(problem: Problem, batch: int | None = None, steps: int = STEPS) -> Callable:
    """graphfuse: batches are selected from the stack."""

    def forward(convs, rows):
        x, adjacency = problem.x, problem.adjacency
        if batch is not None:
            x, adjacency = x[rows], adjacency[rows]
        return convs[1](convs[0](x, adjacency).relu(), adjacency)

    return problem.epochs(GCNConv, forward, problem.shuffled(batch), steps)


def scatter(problem: Problem) -> Callable:
    """PyG's default path, edges collated beforehand."""
    edge_index, weight = problem.adjacency.to_edge_index()
    return _edges(problem, edge_index, weight, pyg.GCNConv)


def csr(problem: Problem) -> Callable:
    """PyG on the normalised operator, stored once as CSR."""
    edge_index, weight = problem.adjacency.normalised().to_edge_index()
    nodes = problem.graphs * problem.regions
    operator = torch.sparse_coo_tensor(edge_index.flip(0), weight, (nodes, nodes)).to_sparse_csr()
    return _edges(problem, operator, None, lambda wide, out: pyg.GCNConv(wide, out, normalize=False))


def dense(problem: Problem, batch: int | None = None, steps: int = STEPS) -> Callable:
    """PyG's layer for matrices."""

    def forward(convs, rows):
        x, matrices = problem.x[rows], problem.weight[rows]
        return convs[1](convs[0](x, matrices).relu(), matrices)

    return problem.epochs(pyg.DenseGCNConv, forward, problem.shuffled(batch), steps)


def loader(problem: Problem) -> Callable:
    """PyG's default path with batches collated in each step."""
    items = []
    for graph in range(problem.graphs):
        edge_index, weight = problem.adjacency[[graph]].to_edge_index()
        items.append(Data(problem.x[graph], edge_index, edge_weight=weight))
    batches = DataLoader(items, batch_size=BATCH, shuffle=True)

    def forward(convs, batch):
        hidden = convs[0](batch.x, batch.edge_index, batch.edge_weight).relu()
        return convs[1](hidden, batch.edge_index, batch.edge_weight).unflatten(0, (batch.num_graphs, -1))

    return problem.epochs(pyg.GCNConv, forward, lambda: batches, STEPS)


def _edges(problem: Problem, edge_index, weight, conv: Callable) -> Callable:
    x = problem.x.flatten(0, 1)

    def forward(convs, batch):
        hidden = convs[0](x, edge_index, weight).relu()
        return convs[1](hidden, edge_index, weight).unflatten(0, (problem.graphs, -1))

    return problem.epochs(conv, forward, lambda: [None], STEPS)


PEERS = {"PyG scatter": scatter, "PyG CSR": csr, "PyG dense": dense}
