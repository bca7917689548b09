"""GAT, GATv2 and graph transformer against PyTorch Geometric: an epoch of two layers on 200 graphs of 200 regions.

The peers get sorted edges with the self-loops put in once, so that they neither sort nor add them in the epoch, and
float32; their CSR form is no quicker (GATConv, GATv2Conv) or not taken (TransformerConv). One head is the layers' own
default; four heads of a width of 8 leave vectors half empty. The errors compare all gradients. Complete graphs show
PyTorch's dense attention, which `attend` itself takes when the storage is dense; by edges it would be several times
slower there.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch_geometric.nn import GATConv as PyGGATConv
from torch_geometric.nn import GATv2Conv as PyGGATv2Conv
from torch_geometric.nn import TransformerConv as PyGTransformerConv

from benchmarks.paired import OURS, Floor, Row, compare
from graphfuse.kernels import Adjacency
from graphfuse.kernels.attention import attend
from graphfuse.nn.conv import GATConv, GATv2Conv, TransformerConv

GRAPHS, REGIONS, FEATURES, WIDTH = 200, 200, 32, 32
PAIRS = {
    "GAT": (GATConv, PyGGATConv),
    "GATv2": (GATv2Conv, PyGGATv2Conv),
    "transformer": (TransformerConv, PyGTransformerConv),
}


def rows() -> Iterator[Row]:
    """Yield a row a kind of layer and number of heads at 10 % density, then complete graphs."""
    torch.manual_seed(0)
    adjacency = graphs(0.1)
    for kind in PAIRS:
        for heads in (1, 4):
            yield epoch(kind, heads, adjacency)
    yield complete()


def graphs(density: float) -> Adjacency:
    """Symmetric random graphs with self-loops, as sparse storage."""
    weight = torch.rand(GRAPHS, REGIONS, REGIONS)
    edge = weight.triu(1) > 1 - density
    edge = edge | edge.transpose(1, 2) | torch.eye(REGIONS, dtype=torch.bool)
    return Adjacency.from_dense(edge.float(), "sparse")


def epoch(kind: str, heads: int, adjacency: Adjacency) -> Row:
    """Forward and backward through two layers, heads side by side and together `WIDTH` wide."""
    ours_class, theirs_class = PAIRS[kind]
    loops = {} if kind == "transformer" else {"add_self_loops": False}
    theirs = nn.ModuleList([theirs_class(FEATURES, WIDTH // heads, heads, **loops) for _ in range(2)])
    ours = nn.ModuleList([ours_class(FEATURES, WIDTH // heads, heads) for _ in range(2)])
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(GRAPHS, REGIONS, FEATURES)
    edge_index = adjacency.to_edge_index()[0]  # sorted by target
    contestants = {
        OURS: lambda: train(ours, x, adjacency),
        f"PyG {theirs_class.__name__}": lambda: train(theirs, x.flatten(0, 1), edge_index),
    }
    floors = [] if kind == "transformer" else [Floor(f"PyG {theirs_class.__name__}", 6.0)]
    row = compare(
        f"{kind}, {heads} heads, epoch of 2 layers, {GRAPHS} x {REGIONS}, density 10 %",
        contestants,
        floors=floors,
        notes=f"{len(edge_index[0])} edges",
    )
    ours_mb, theirs_mb = row.peaks.values()
    row.checks["a sixth of the memory"] = 6 * ours_mb <= theirs_mb
    return row


def train(layers: nn.ModuleList, x: Tensor, graph) -> Tensor:
    """One epoch without the optimiser's step; return the gradient of the first parameter."""
    layers.zero_grad()
    for layer in layers:
        x = layer(x, graph).relu()
    x.square().mean().backward()
    return torch.cat([parameter.grad.flatten() for parameter in layers.parameters()])


def complete() -> Row:
    """Dot-product attention, forward and backward, on complete graphs, where dense products are PyTorch's best."""
    heads, width = 4, 16
    adjacency = Adjacency.from_dense(torch.ones(50, REGIONS, REGIONS), "dense")
    q, k, v = (torch.randn(50, REGIONS, heads, width, requires_grad=True) for _ in "qkv")

    def ours() -> Tensor:
        return torch.autograd.grad(attend(adjacency, q, k, v).square().sum(), (q, k, v))[0]

    def dense() -> Tensor:
        y = scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, v)))
        return torch.autograd.grad(y.square().sum(), (q, k, v))[0]

    return compare("dot-product attention, 50 complete graphs of 200", {OURS: ours, "torch sdpa": dense})
