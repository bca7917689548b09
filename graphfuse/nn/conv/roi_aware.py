"""The ROI-aware convolution of BrainGNN: each region has its own matrix, a mixture of a few communities'."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.kernels.segments import row_softmax


class ROIAwareConv(nn.Module):
    """ROI-aware convolution ``y_i = W_i x_i + sum_j a_ij W_j x_j + b``, ``a_i = softmax_j(e_ij)`` over neighbours.

    ``W_i = Theta_2 relu(Theta_1 r_i) + W``, r_i the one-hot code of region i: `communities` (R, K) holds how far each
    region belongs to each of K communities, `bases` (K, in, out) the matrix of each, `shared` (in, out) the matrix W of
    all regions. Regions are known by their number, so the layer is not equivariant to their order. Weights of edges
    enter through the softmax, so negative ones are allowed; self-loops are left out, for y_i hears x_i in full. The
    authors' release differs from this equation, which is the paper's: it puts a self-loop of weight 1 into the softmax
    and takes the mean, not the sum, over neighbours. Their start values are not stated; these are ours.

    Parameters
    ----------
    in_channels, out_channels : int
    num_rois : int
        Regions before any pooling, R.
    num_communities : int
        K.
    bias : bool

    Raises
    ------
    ShapeMismatch, InvalidOption
        In `forward`, when x lacks regions and `roi` does not say which, or says what is none.

    References
    ----------
    Li et al. (2021). BrainGNN: interpretable brain graph neural network for fMRI analysis. Medical Image Analysis.
    """

    def __init__(self, in_channels: int, out_channels: int, num_rois: int, num_communities: int = 8, bias: bool = True):
        super().__init__()
        check_range("num_rois", num_rois, 1)
        check_range("num_communities", num_communities, 1)
        self.in_channels, self.out_channels, self.num_rois = in_channels, out_channels, num_rois
        self.communities = nn.Parameter(torch.empty(num_rois, num_communities))
        self.bases = nn.Parameter(torch.empty(num_communities, in_channels, out_channels))
        self.shared = nn.Parameter(torch.empty(in_channels, out_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.normal_(self.communities, std=(2 / num_communities) ** 0.5)  # the mixture keeps the bases' variance
        for matrix in (*self.bases.unbind(), self.shared):
            nn.init.xavier_uniform_(matrix)

    def membership(self) -> Tensor:
        """Return ``relu(Theta_1 r_i)`` of all regions, (R, K): a soft assignment to communities, not summing to 1."""
        return self.communities.relu()

    def forward(self, x: Tensor, adjacency: Adjacency, roi: Tensor | None = None) -> Tensor:
        """Return (G, R', out).

        Parameters
        ----------
        x : tensor (G, R', in)
        adjacency : Adjacency of shape (G, R', R')
        roi : int tensor (G, R') or None
            Which region each node is, 0 .. R - 1; None means that none was removed, so that R' = R.
        """
        check_finite("x", x, LIMIT)
        y = self._transformed(x, self._mixture(x, roi))
        y = y + _softmax_of_weights(adjacency) @ y
        return check_finite("The output of the convolution", y if self.bias is None else y + self.bias)

    def _mixture(self, x: Tensor, roi: Tensor | None) -> Tensor:
        """How much each node takes of each basis, (G, R', K) or (R, K)."""
        if roi is None:
            check_shape("x without roi", x, (None, self.num_rois, None))
            return self.membership()
        check_shape("roi", roi, tuple(x.shape[:2]))
        outside = int(((roi < 0) | (roi >= self.num_rois)).sum())
        if outside:
            raise InvalidOption(f"roi must lie in 0 .. {self.num_rois - 1}; {outside} of {roi.numel()} do not.")
        return self.membership()[roi.long()]

    def _transformed(self, x: Tensor, mixture: Tensor) -> Tensor:
        """``W_i x_i`` of every node, (G, R', out), by the answers of the K bases: W_i itself is never written."""
        answers = (x @ self.bases.transpose(0, 1).flatten(1)).unflatten(-1, (-1, self.out_channels))  # (G, R', K, out)
        return (mixture[..., None] * answers).sum(2) + x @ self.shared


def _softmax_of_weights(adjacency: Adjacency) -> Adjacency:
    """Weights that sum to 1 over the neighbours of each node, self-loops left out; zeros where it has none."""
    graph = adjacency.sparse().without_self_loops()
    return graph.with_weight(row_softmax(graph.weight, graph.pattern, graph.weight != 0))
