"""The plainest graph convolution, of Morris and others: a node and the sum of its neighbours, each with its matrix."""

from __future__ import annotations

from torch import Tensor, nn

from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.conv.product import linear_of_product


class GraphConv(nn.Module):
    """Graph convolution ``y_i = W_root x_i + W_rel sum_j e_ij x_j + b``.

    The sum is not normalised, so that degrees are heard, and negative weights are allowed. Parameters are named as in
    ``torch_geometric.nn.GraphConv`` and may be loaded from it.

    Parameters
    ----------
    in_channels, out_channels : int
    bias : bool

    Raises
    ------
    NonFinite
        In `forward`, when x or the output is not finite.

    References
    ----------
    Morris et al. (2019). Weisfeiler and Leman go neural: higher-order graph neural networks. AAAI.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.lin_rel = nn.Linear(in_channels, out_channels, bias=bias)
        self.lin_root = nn.Linear(in_channels, out_channels, bias=False)

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, out) of x (G, R, in)."""
        check_finite("x", x, LIMIT)
        y = linear_of_product(self.lin_rel, adjacency, x) + self.lin_root(x)
        return check_finite("The output of the convolution", y)
