"""Graph encoders: convolutions and a readout, ``encoder(x (G, R, F), adjacency, nodes) -> (G, D)``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.conv import (
    ChebConv,
    GATConv,
    GATv2Conv,
    GCNConv,
    GENConv,
    GINConv,
    GraphConv,
    SAGEConv,
    TransformerConv,
    gin_mlp,
)
from graphfuse.nn.dropout import Dropout
from graphfuse.nn.pyg import call_module
from graphfuse.nn.readout import make_readout, mask_nodes


def _gcn(in_channels: int, out_channels: int, order: int, heads: int) -> nn.Module:
    return GCNConv(in_channels, out_channels)


def _cheb(in_channels: int, out_channels: int, order: int, heads: int) -> nn.Module:
    return ChebConv(in_channels, out_channels, order)


def _gat(in_channels: int, out_channels: int, order: int, heads: int) -> nn.Module:
    return GATConv(in_channels, _head_width(out_channels, heads), heads)


def _gatv2(in_channels: int, out_channels: int, order: int, heads: int) -> nn.Module:
    return GATv2Conv(in_channels, _head_width(out_channels, heads), heads)


def _gen(in_channels: int, out_channels: int, order: int, heads: int) -> nn.Module:
    return GENConv(in_channels, out_channels, norm=None)


def _gin(in_channels: int, out_channels: int, order: int, heads: int) -> nn.Module:
    return GINConv(gin_mlp(in_channels, out_channels, batch_norm=False))


def _graph(in_channels: int, out_channels: int, order: int, heads: int) -> nn.Module:
    return GraphConv(in_channels, out_channels)


def _sage(in_channels: int, out_channels: int, order: int, heads: int) -> nn.Module:
    return SAGEConv(in_channels, out_channels)


def _transformer(in_channels: int, out_channels: int, order: int, heads: int) -> nn.Module:
    return TransformerConv(in_channels, _head_width(out_channels, heads), heads)


def _head_width(width: int, heads: int) -> int:
    if width % heads:
        raise InvalidOption(f"hidden widths must be multiples of heads={heads}; got {width}. Change one of them.")
    return width // heads


CONVS = {
    "cheb": _cheb,
    "gat": _gat,
    "gatv2": _gatv2,
    "gcn": _gcn,
    "gen": _gen,
    "gin": _gin,
    "graph": _graph,
    "sage": _sage,
    "transformer": _transformer,
}
NORMS = {None: lambda width: nn.Identity(), "layer": nn.LayerNorm}


class GraphEncoder(nn.Module):
    """A stack of ``x <- dropout(relu(norm(conv(x, A))))``, then a readout.

    Parameters
    ----------
    in_channels : int
        Features of a node, F.
    hidden : sequence of int
        Width of each layer.
    conv : str
        A key of `CONVS`: cheb, gat, gatv2, gcn, gen, gin, graph, sage, transformer.
    readout : {"attention", "flatten", "max", "mean", "mean-max"}
    dropout : float
    norm : {"layer", None}
    num_nodes : int or None
        Nodes of a graph, R; needed by readout "flatten".
    order : int
        Highest degree of "cheb".
    heads : int
        Heads of "gat", "gatv2" and "transformer"; together they are as wide as the layer.

    Attributes
    ----------
    out_channels : int
        Width of the embedding, D.

    Raises
    ------
    InvalidOption
    """

    def __init__(
        self,
        in_channels: int,
        hidden: Sequence[int] = (32,),
        conv: str = "gcn",
        readout: str = "mean",
        dropout: float = 0.0,
        norm: str | None = "layer",
        num_nodes: int | None = None,
        order: int = 3,
        heads: int = 1,
    ):
        super().__init__()
        check_option("conv", conv, CONVS)
        check_option("norm", norm, NORMS)
        check_range("dropout", dropout, 0.0, 1.0)
        widths = [in_channels, *hidden]
        self.convs = nn.ModuleList(CONVS[conv](wide, out, order, heads) for wide, out in pairwise(widths))
        self.norms = nn.ModuleList(NORMS[norm](width) for width in hidden)
        self.dropout = Dropout(dropout)
        self.readout, self.out_channels = make_readout(readout, widths[-1], num_nodes)

    @property
    def hops(self) -> int:
        """How many edges away a node is still heard."""
        return sum(getattr(conv, "hops", 1) for conv in self.convs)

    def node_embeddings(self, x: Tensor, adjacency: Adjacency, nodes: Tensor | None = None) -> Tensor:
        """Return the last layer's (G, R, hidden[-1]), before the readout."""
        x = mask_nodes(x, nodes)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.dropout(norm(conv(x, adjacency)).relu())
        return x

    def forward(self, x: Tensor, adjacency: Adjacency, nodes: Tensor | None = None) -> Tensor:
        """Return the embeddings, (G, out_channels).

        Parameters
        ----------
        x : tensor (G, R, F)
        adjacency : Adjacency of shape (G, R, R)
        nodes : bool tensor (G, R) or None
            Usable nodes; the features of the others are taken as 0 and they do not enter the readout. None means all.
        """
        return self.readout(self.node_embeddings(x, adjacency, nodes), nodes)


class VectorEncoder(nn.Module):
    """One layer for vectors, ``relu(W x + b)``.

    Parameters
    ----------
    in_channels : int
        Entries of a vector, P.
    out_channels : int
        D.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.out_channels = out_channels
        self.linear = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the embeddings (N, D) of x (N, P)."""
        return self.linear(check_finite("x", x, LIMIT)).relu()


class PyGEncoder(nn.Module):
    """Any model of PyTorch Geometric as an encoder: ``readout(module(x, edge_index, ...))``.

    The module gets `edge_weight`, `edge_attr` (E, 1) and `batch` where its `forward` takes them.

    Parameters
    ----------
    module : torch.nn.Module
        ``forward(x (G R, F), edge_index (2, E), ...) -> (G R, D)``, or (G, D) where it pools by itself.
    out_channels : int
        D.
    readout : str or None
        As in `GraphEncoder`; None where the module pools by itself.
    num_nodes : int or None
        Nodes of a graph, needed by readout "flatten".

    Attributes
    ----------
    out_channels : int
        Width of the embedding.
    """

    def __init__(
        self, module: nn.Module, out_channels: int, readout: str | None = "mean", num_nodes: int | None = None
    ):
        super().__init__()
        self.module = module
        self.module_channels = out_channels
        self.readout, self.out_channels = None, out_channels
        if readout is not None:
            self.readout, self.out_channels = make_readout(readout, out_channels, num_nodes)

    def forward(self, x: Tensor, adjacency: Adjacency, nodes: Tensor | None = None) -> Tensor:
        """Return the embeddings (G, out_channels) of x (G, R, F); `nodes` as in `GraphEncoder`."""
        graphs, targets, _ = adjacency.shape
        y = call_module(self.module, mask_nodes(x, nodes), adjacency)
        if self.readout is None:
            return check_shape("what the module returns", y, (graphs, self.module_channels))
        check_shape("what the module returns", y, (graphs * targets, self.module_channels))
        return self.readout(y.unflatten(0, (graphs, targets)), nodes)
