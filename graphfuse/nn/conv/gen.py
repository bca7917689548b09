"""The generalised convolution of DeeperGCN: messages, a learnable mean of them, and an MLP."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.conv.aggregation import AGGREGATIONS, MessageNorm, PowerMeanAggregation, SoftmaxAggregation

NORMS = {None: lambda width: [], "batch": lambda width: [nn.BatchNorm1d(width)], "layer": lambda w: [nn.LayerNorm(w)]}


class GENConv(nn.Module):
    """Generalised convolution ``y_i = MLP(x_i + s |x_i| a_i / |a_i|)``, ``a_i = mean_j(relu(x_j + e_ij) + eps)``.

    The mean is a softmax or a power mean, channel by channel; without `msg_norm`, ``y_i = MLP(x_i + a_i)``. Where the
    widths differ, x_j and x_i have a matrix each. Weights of edges enter with ``edge_dim=1``, as ``e_ij = w_ij v`` with
    a learned v, else not at all, so negative ones are allowed. Every edge holds messages of D numbers, E x D together,
    whatever the layout. Parameters are named as in ``torch_geometric.nn.GENConv`` and may be loaded from it.

    Parameters
    ----------
    in_channels, out_channels : int
    aggr : {"powermean", "softmax"}
    t, learn_t : float, bool
        Inverse temperature of "softmax", and whether it is learned.
    p, learn_p : float, bool
        Power of "powermean", and whether it is learned.
    msg_norm, learn_msg_scale : bool
        Give what is heard the length of x_i, and learn the factor s.
    norm : {"batch", "layer", None}
        Of the MLP's hidden layers; "batch" over the nodes of all graphs.
    num_layers, expansion : int
        Layers of the MLP, and how many times wider than the output the hidden ones are.
    eps : float
        Keeps messages above zero.
    bias : bool
    edge_dim : {None, 1}

    Raises
    ------
    InvalidOption
    ShapeMismatch, NonFinite
        In `forward`.

    References
    ----------
    Li, Xiong, Thabet and Ghanem (2020). DeeperGCN: all you need to train deeper GCNs. arXiv 2006.07739.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        aggr: str = "softmax",
        t: float = 1.0,
        learn_t: bool = False,
        p: float = 1.0,
        learn_p: bool = False,
        msg_norm: bool = False,
        learn_msg_scale: bool = False,
        norm: str | None = "batch",
        num_layers: int = 2,
        expansion: int = 2,
        eps: float = 1e-7,
        bias: bool = False,
        edge_dim: int | None = None,
    ):
        super().__init__()
        check_option("aggr", aggr, AGGREGATIONS)
        if edge_dim not in (None, 1):
            raise InvalidOption(f"edge_dim must be None or 1, for an edge has one weight; got {edge_dim!r}.")
        self.in_channels, self.out_channels, self.eps = in_channels, out_channels, eps
        self.aggr_module = SoftmaxAggregation(t, learn_t) if aggr == "softmax" else PowerMeanAggregation(p, learn_p)
        wider = in_channels != out_channels
        self.lin_src = nn.Linear(in_channels, out_channels, bias=bias) if wider else None
        self.lin_dst = nn.Linear(in_channels, out_channels, bias=bias) if wider else None
        self.lin_edge = nn.Linear(1, out_channels, bias=bias) if edge_dim else None
        self.msg_norm = MessageNorm(learn_msg_scale) if msg_norm else None
        self.mlp = _mlp(out_channels, num_layers, expansion, norm, bias)

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, out) of x (G, R, in)."""
        check_finite("x", check_shape("x", x, (adjacency.num_graphs, adjacency.shape[2], self.in_channels)), LIMIT)
        source = x if self.lin_src is None else self.lin_src(x)
        heard = self._heard(source.flatten(0, 1), adjacency.sparse()).view_as(source)  # (G, R, out)
        heard = heard if self.msg_norm is None else self.msg_norm(x, heard)
        y = heard + (x if self.lin_dst is None else self.lin_dst(x))
        y = self.mlp(y.flatten(0, 1)).view_as(y)
        return check_finite("The output of the convolution", y)

    def _heard(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return what the nodes hear, (G R, out), of x (G R, out)."""
        message = x.index_select(0, adjacency.pattern.col)  # (E, out)
        if self.lin_edge is not None:
            message = message + self.lin_edge(adjacency.weight[:, None].to(message))
        return self.aggr_module(message.relu() + self.eps, adjacency.pattern, adjacency.weight != 0)


def _mlp(width: int, num_layers: int, expansion: int, norm: str | None, bias: bool) -> nn.Sequential:
    check_option("norm", norm, NORMS)
    hidden = [expansion * width] * (check_range("num_layers", num_layers, 1) - 1)
    layers: list[nn.Module] = []
    for wide, out in pairwise([width, *hidden, width]):
        # The dropout of nothing keeps the place it has in PyTorch Geometric's MLP, and so the names of parameters.
        layers += [nn.Linear(wide, out, bias=bias), *NORMS[norm](out), nn.ReLU(), nn.Dropout(0.0)]
    last = max(k for k, layer in enumerate(layers) if isinstance(layer, nn.Linear))
    return nn.Sequential(*layers[: last + 1])
