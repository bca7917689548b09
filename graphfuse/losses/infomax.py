"""What the modalities of a person share: to be raised."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from graphfuse._check import check_option
from graphfuse.losses.contract import leaving, nodes_present, nothing


class DotDiscriminator(nn.Module):
    """Score ``d(z, g) = z . g``.

    Parameters
    ----------
    channels : int
        Width D, which this form does not need.
    """

    def __init__(self, channels: int):
        super().__init__()

    def forward(self, nodes: Tensor, graphs: Tensor) -> Tensor:
        """Return (n, m, R): nodes (n, R, D) of each person against the graph vector (m, D) of each."""
        return torch.einsum("nrd,md->nmr", nodes, graphs)


class SigmoidDotDiscriminator(DotDiscriminator):
    """Score ``d(z, g) = sigmoid(z . g)``, as MSTGC prints it; its gradient is flat where the product is large."""

    def forward(self, nodes: Tensor, graphs: Tensor) -> Tensor:
        """Return (n, m, R), within 0 .. 1."""
        return super().forward(nodes, graphs).sigmoid()


class BilinearDiscriminator(nn.Module):
    """Score ``d(z, g) = z^T W g``.

    Parameters
    ----------
    channels : int
        Width D.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.project = nn.Linear(channels, channels, bias=False)

    def forward(self, nodes: Tensor, graphs: Tensor) -> Tensor:
        """Return (n, m, R), as `DotDiscriminator` of W g."""
        return torch.einsum("nrd,md->nmr", nodes, self.project(graphs))


DISCRIMINATORS = {
    "bilinear": BilinearDiscriminator,
    "dot": DotDiscriminator,
    "sigmoid_dot": SigmoidDotDiscriminator,
}


def jsd_information(score: Tensor, nodes: Tensor) -> Tensor:
    """Return the Jensen-Shannon estimate of information, ``mean_i -sp(-d(z_i, g+)) - mean_(g-) sp(d(z_i, g-))``.

    ``sp(x) = log(1 + e^x)``.

    Parameters
    ----------
    score : tensor (n, n, R)
        d of the nodes of person i (first axis) and the graph vector of person j: g+ is i's own, g- are the others'.
    nodes : bool tensor (n, R)
        Usable nodes; the mean is over these, then over people.

    Returns
    -------
    tensor ()
        At most 0, larger where nodes and graphs of the same people agree.
    """
    n = len(score)
    own = torch.eye(n, dtype=torch.bool, device=score.device)[..., None]
    agree = -softplus(-score).masked_fill(~own, 0).sum(1)  # (n, R)
    differ = softplus(score).masked_fill(own, 0).sum(1) / max(n - 1, 1)
    each = torch.where(nodes, agree - differ, 0).sum(1) / nodes.sum(1).clamp(min=1)
    return each.mean()


class InfoMaxLoss(nn.Module):
    """Minus the information between the nodes of one modality and the graph of the other, both ways, averaged.

    ``L = -1/2 [ I(nodes_1 ; graph_2) + I(nodes_2 ; graph_1) ]`` with `jsd_information`; a graph is the mean of its
    nodes, negatives are the graphs of the other people of the batch. MSTGC prints plus I in the sum that it minimises;
    I is to be maximised, so the sign is turned here. The mean readout, and the plain dot product in place of its
    sigmoid, are our choices.

    Parameters
    ----------
    channels : int
        Width D.
    discriminator : {"bilinear", "dot", "sigmoid_dot"}

    Raises
    ------
    InvalidOption

    References
    ----------
    Xu et al. (2023). MSTGC. IEEE TNSRE 31, 2359-2369, eqs. (11)-(12).
    """

    def __init__(self, channels: int, discriminator: str = "dot"):
        super().__init__()
        check_option("discriminator", discriminator, DISCRIMINATORS)
        self.discriminator = DISCRIMINATORS[discriminator](channels)

    def forward(self, first: Tensor, second: Tensor, nodes: Tensor | None = None, both: Tensor | None = None) -> Tensor:
        """Return the loss, at least 0.

        Parameters
        ----------
        first, second : tensor (B, R, D)
            Nodes of the common channel in each modality.
        nodes : bool tensor (B, R) or None
            Usable nodes; None means all.
        both : bool tensor (B,) or None
            Who has both modalities; nobody else counts, not as a negative either. None means everybody.

        Raises
        ------
        NonFinite, ShapeMismatch, InvalidOption
        """
        first, second, nodes = nodes_present(first, second, nodes, both)
        if not len(first):
            return nothing(first, second)
        graphs = [z.sum(1) / nodes.sum(1, keepdim=True).clamp(min=1) for z in (first, second)]  # (B, D)
        ways = zip((first, second), reversed(graphs), strict=True)
        shared = [jsd_information(self.discriminator(z, graph), nodes) for z, graph in ways]
        return leaving("the InfoMax loss", -(shared[0] + shared[1]) / 2)
