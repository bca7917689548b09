"""BrainNetCNN's filters over a connectivity matrix: edges to edges, edges to nodes, nodes to the graph."""

from __future__ import annotations

from torch import Tensor, nn

from graphfuse._check import check_shape
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.readout import mask_nodes


class EdgeToEdge(nn.Module):
    """Edge-to-edge filter ``Y_oij = sum_ck (r_ock X_cik + c_ock X_ckj) + b``: an edge hears those that share a node.

    `row` is a ``Conv2d`` of kernel (1, N); `column`, of kernel (N, 1), is held as one of kernel (1, N) that reads the
    transposed matrix. Regions are known by their number, so the layer is not equivariant to their order.

    Parameters
    ----------
    in_channels, out_channels : int
    num_nodes : int
        N.
    tied : bool
        One filter for rows and columns: symmetric matrices stay symmetric, in half the parameters.
    bias : bool

    Raises
    ------
    ShapeMismatch, NonFinite
        In `forward`.

    References
    ----------
    Kawahara et al. (2017). BrainNetCNN: convolutional neural networks for brain networks. NeuroImage.
    """

    def __init__(self, in_channels: int, out_channels: int, num_nodes: int, tied: bool = False, bias: bool = True):
        super().__init__()
        self.row = nn.Conv2d(in_channels, out_channels, (1, num_nodes), bias=bias)
        self.column = self.row if tied else nn.Conv2d(in_channels, out_channels, (1, num_nodes), bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out, N, N) of x (B, in, N, N)."""
        check_matrices(x, self.row)
        y = over_rows_of(x, self.row)[..., None] + over_rows_of(x.mT, self.column)[:, :, None]  # (B, out, N, N)
        return check_finite("The output of the convolution", y)


class EdgeToNode(nn.Module):
    """Edge-to-node filter ``Y_io = sum_ck r_ock X_cik + b``: a node hears its edges.

    `row` is a ``Conv2d`` of kernel (1, N). The nodes come out as those of a graph do, (B, N, D), ready for any readout.

    Parameters
    ----------
    in_channels, out_channels : int
    num_nodes : int
        N.
    bias : bool

    Raises
    ------
    ShapeMismatch, NonFinite
        In `forward`.

    References
    ----------
    Kawahara et al. (2017). BrainNetCNN: convolutional neural networks for brain networks. NeuroImage.
    """

    def __init__(self, in_channels: int, out_channels: int, num_nodes: int, bias: bool = True):
        super().__init__()
        self.row = nn.Conv2d(in_channels, out_channels, (1, num_nodes), bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, N, out) of x (B, in, N, N)."""
        check_matrices(x, self.row)
        return check_finite("The output of the convolution", over_rows_of(x, self.row).mT)


class NodeToGraph(nn.Module):
    """Node-to-graph filter ``y_o = sum_ci w_oci X_ic + b``: a readout in which each region has its own weights.

    `column` is a ``Conv2d`` of kernel (N, 1).

    Parameters
    ----------
    in_channels, out_channels : int
    num_nodes : int
        N.
    bias : bool

    Raises
    ------
    ShapeMismatch, NonFinite
        In `forward`.

    References
    ----------
    Kawahara et al. (2017). BrainNetCNN: convolutional neural networks for brain networks. NeuroImage.
    """

    def __init__(self, in_channels: int, out_channels: int, num_nodes: int, bias: bool = True):
        super().__init__()
        self.column = nn.Conv2d(in_channels, out_channels, (num_nodes, 1), bias=bias)

    def forward(self, x: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return (B, out) of x (B, N, in); nodes that are not usable, bool (B, N), count as zero."""
        check_shape("x", x, (None, self.column.kernel_size[0], self.column.in_channels))
        y = self.column(mask_nodes(x, nodes).mT[..., None])  # (B, out, 1, 1)
        return check_finite("The output of the convolution", y.flatten(1))


def over_rows_of(x: Tensor, row: nn.Conv2d) -> Tensor:
    """Return (B, out, N) of x (B, in, N, N): the filter on every row, as one product, quicker than a convolution."""
    y = row.weight.flatten(1) @ x.transpose(1, 2).flatten(2).mT  # (out, in N) by (B, in N, N)
    return y if row.bias is None else y + row.bias[:, None]


def check_matrices(x: Tensor, row: nn.Conv2d) -> Tensor:
    """Return x if it has the shape (B, C, N, N) that the filter reads and is finite."""
    num_nodes = row.kernel_size[1]
    return check_finite("x", check_shape("x", x, (None, row.in_channels, num_nodes, num_nodes)), LIMIT)
