"""GraphSAGE of Hamilton and others, with the mean over neighbours."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize as unit_length

from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.nn.conv.product import linear_of_product


class SAGEConv(nn.Module):
    """GraphSAGE ``y_i = W_l mean_j(x_j) + b + W_r x_i``, ``mean_j(x_j) = sum_j e_ij x_j / sum_j e_ij``.

    Equal to one matrix on ``[x_i || mean_j(x_j)]``; a node without neighbours hears a mean of zero. Where all edges of
    a node weigh the same, this is ``torch_geometric.nn.SAGEConv``, which takes no weights; its parameters have the same
    names and may be loaded.

    Parameters
    ----------
    in_channels, out_channels : int
    normalize : bool
        Scale each output to length 1, as the source does between layers.
    root_weight : bool
        Add the term of the node itself, ``W_r x_i``.
    bias : bool

    Raises
    ------
    NegativeWeights
        In `forward`, when the adjacency has a negative weight.

    References
    ----------
    Hamilton, Ying and Leskovec (2017). Inductive representation learning on large graphs. NeurIPS.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        normalize: bool = False,
        root_weight: bool = True,
        bias: bool = True,
    ):
        super().__init__()
        self.in_channels, self.out_channels, self.normalize = in_channels, out_channels, normalize
        self.lin_l = nn.Linear(in_channels, out_channels, bias=bias)
        self.lin_r = nn.Linear(in_channels, out_channels, bias=False) if root_weight else None

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        """Return (G, R, out) of x (G, R, in)."""
        check_finite("x", x, LIMIT)
        y = linear_of_product(self.lin_l, adjacency.normalised("row", self_loops=False), x)
        y = y if self.lin_r is None else y + self.lin_r(x)
        return check_finite("The output of the convolution", unit_length(y, dim=-1) if self.normalize else y)
