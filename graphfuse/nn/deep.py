"""Deep stacks of any graph convolution: plain, residual, dense, jumping knowledge, GCNII."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from graphfuse._check import check_option, check_range
from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.conv.gcn import GCNConv
from graphfuse.nn.conv.gcnii import GCNIIConv
from graphfuse.nn.deep_layers import (
    DeepLayer,
    NodeLinear,
    Rule,
    bare,
    dense,
    initial,
    plain,
    pre_activated,
    residual,
)
from graphfuse.nn.drop_edge import DropEdge
from graphfuse.nn.encoder import NORMS
from graphfuse.nn.readout import make_readout, mask_nodes

MakeConv = Callable[[int, int], nn.Module]

# What becomes of the layers' outputs, a list of (G, R, D): (G, R, D), or (G, R, L D) by "concat".
JOINS = {
    "concat": lambda given: torch.cat(given, -1),
    "last": lambda given: given[-1],
    "max": lambda given: torch.stack(given).amax(0),
    "sum": lambda given: torch.stack(given).sum(0),
}


def _even(conv: MakeConv, in_channels: int, width: int, num_layers: int) -> list[nn.Module]:
    """Each layer reads the one before."""
    return [conv(width if k else in_channels, width) for k in range(num_layers)]


def _growing(conv: MakeConv, in_channels: int, width: int, num_layers: int) -> list[nn.Module]:
    """Each layer reads all those before."""
    return [conv(k * width or in_channels, width) for k in range(num_layers)]


def _remembering(conv: MakeConv, in_channels: int, width: int, num_layers: int) -> list[nn.Module]:
    """A linear layer gives h_0, to which each layer of GCNII comes back; `conv` makes layer l of GCNII."""
    return [NodeLinear(in_channels, width), *(conv(width, k) for k in range(1, num_layers + 1))]


class Kind(NamedTuple):
    """How a stack is put together."""

    convs: Callable[[MakeConv, int, int, int], list[nn.Module]]
    first: Rule
    later: Rule
    join: str = "last"
    takes_norm: bool = True
    ends_activated: bool = True  # else a norm and a ReLU close the stack


KINDS = {
    "dense": Kind(_growing, plain, dense, "concat"),
    "gcnii": Kind(_remembering, plain, initial, takes_norm=False),
    "jk": Kind(_even, plain, plain),
    "plain": Kind(_even, plain, plain),
    "res": Kind(_even, plain, residual),
    "res+": Kind(_even, bare, pre_activated, ends_activated=False),
}


class DeepStack(nn.Module):
    """L graph convolutions of one width, and a readout; a node remembers what it was, by the `kind` of the stack.

    ``plain``: ``h_l = relu(norm(conv(h_{l-1})))``. ``res``: ``h_l = h_{l-1} + relu(norm(conv(h_{l-1})))``.
    ``res+``: ``h_l = h_{l-1} + conv(relu(norm(h_{l-1})))``, closed by ``relu(norm(h_L))``.
    ``dense``: ``h_l = relu(norm(conv([h_1 || ... || h_{l-1}])))``, and all h_l side by side at the end.
    ``jk`` (jumping knowledge): as plain, and the h_l joined at the end.
    ``gcnii``: ``h_l = relu(((1 - alpha) A^ h_{l-1} + alpha h_0) ((1 - beta_l) I + beta_l W_l))``,
    ``beta_l = log(theta / l + 1)``, ``h_0 = relu(linear(x))``.

    The first layer brings x to the width: ``relu(norm(conv(x)))``, ``conv(x)`` in res+. Dropout stands before each
    convolution.

    Parameters
    ----------
    in_channels : int
        Features of a node, F.
    width : int
        Of each layer, D; what each layer adds in "dense".
    num_layers : int
        Convolutions, L.
    kind : {"dense", "gcnii", "jk", "plain", "res", "res+"}
    conv : callable (in_channels, out_channels) -> Module, or None
        Makes each convolution; None means `GCNConv`. "gcnii" has its own and takes None only.
    dropout : float
    norm : {"layer", None}
        Not of "gcnii", whose equation has none: with one between its layers we saw deep nodes become alike again.
    drop_edge : float
        Probability with which `DropEdge` drops an undirected edge in training, once for all layers of a pass.
    jk : {"concat", "last", "max", "sum"}
        How "jk" joins its layers.
    alpha, theta : float
        Of "gcnii": the share of h_0, and the source's lambda.
    readout : {"attention", "flatten", "max", "mean", "mean-max"}
    num_nodes : int or None
        Nodes of a graph, R; needed by readout "flatten".

    Attributes
    ----------
    node_channels : int
        Width of `node_embeddings`: L D in "dense" and for ``jk="concat"``, else D.
    out_channels : int
        Width of the embedding; that of the nodes for readout "mean".

    Raises
    ------
    InvalidOption
    NegativeWeights
        In `forward`, where the convolution does not take negative weights.

    References
    ----------
    Li, Müller, Thabet and Ghanem (2019). DeepGCNs: can GCNs go as deep as CNNs? ICCV (res, dense).
    Li, Xiong, Thabet and Ghanem (2020). DeeperGCN: all you need to train deeper GCNs. arXiv 2006.07739 (res+).
    Xu et al. (2018). Representation learning on graphs with jumping knowledge networks. ICML (jk).
    Chen, Wei, Huang, Ding and Li (2020). Simple and deep graph convolutional networks. ICML (gcnii).
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 32,
        num_layers: int = 8,
        kind: str = "res",
        conv: MakeConv | None = None,
        dropout: float = 0.0,
        norm: str | None = "layer",
        drop_edge: float = 0.0,
        jk: str = "concat",
        alpha: float = 0.1,
        theta: float = 0.5,
        readout: str = "mean",
        num_nodes: int | None = None,
    ):
        super().__init__()
        for name, value, allowed in (("kind", kind, KINDS), ("norm", norm, NORMS), ("jk", jk, JOINS)):
            check_option(name, value, allowed)
        check_range("num_layers", num_layers, 1)
        check_range("dropout", dropout, 0.0, 1.0)
        built, join = KINDS[kind], jk if kind == "jk" else KINDS[kind].join
        convs = built.convs(_maker(kind, conv, alpha, theta), in_channels, width, num_layers)
        rules, make_norm = [built.first, *[built.later] * (len(convs) - 1)], NORMS[norm if built.takes_norm else None]
        self.layers = nn.ModuleList(
            DeepLayer(rule, made, make_norm(width), dropout) for rule, made in zip(rules, convs, strict=True)
        )
        self.join, self.ends_activated, self.drop_edge = join, built.ends_activated, DropEdge(drop_edge)
        self.node_channels = width * len(convs) if join == "concat" else width
        self.readout, self.out_channels = make_readout(readout, self.node_channels, num_nodes)

    @property
    def hops(self) -> int:
        """How many edges away a node is still heard."""
        return sum(getattr(conv, "hops", 1) for conv in self.convs)

    @property
    def convs(self) -> list[nn.Module]:
        """The convolutions in their order, and before them the linear layer of "gcnii"."""
        return [layer.conv for layer in self.layers]

    def node_embeddings(self, x: Tensor, adjacency: Adjacency, nodes: Tensor | None = None) -> Tensor:
        """Return (G, R, node_channels), before the readout; arguments as those of `forward`."""
        adjacency, given = self.drop_edge(adjacency), []
        h = [mask_nodes(x, nodes)]
        for layer in self.layers:
            given.append(layer(given or h, adjacency))  # (G, R, D)
        y = JOINS[self.join](given)
        # The norm of the first layer of res+ is not used there, and closes the stack.
        return y if self.ends_activated else self.layers[0].norm(y).relu()

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


def _maker(kind: str, conv: MakeConv | None, alpha: float, theta: float) -> Callable[[int, int], nn.Module]:
    """What makes a convolution: of the widths, or of the width and the number of the layer for GCNII."""
    if kind != "gcnii":
        return conv or GCNConv
    if conv is not None:
        raise InvalidOption(f"kind='gcnii' is a convolution of its own; got conv={conv!r}. Leave conv out.")
    return partial(_gcnii, alpha=alpha, theta=theta)


def _gcnii(width: int, layer: int, alpha: float, theta: float) -> GCNIIConv:
    return GCNIIConv(width, alpha, theta, layer)
