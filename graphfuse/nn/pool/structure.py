"""Structure learning pooling (HGP-SL): what neighbours cannot predict is kept, and the graph is learned anew."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from graphfuse._check import check_option, check_range
from graphfuse.kernels import Adjacency
from graphfuse.kernels.finite import check_finite
from graphfuse.nn.pool.contract import Pooled
from graphfuse.nn.pool.keep import induced_subgraph, keep_largest, num_kept, take_nodes, take_pairs
from graphfuse.nn.readout import mask_nodes
from graphfuse.nn.simplex import masked_softmax, sparsemax

ATTENTIONS = {"softmax": masked_softmax, "sparsemax": sparsemax}


def information_score(x: Tensor, adjacency: Adjacency) -> Tensor:
    """Return ``s_r = || ((I - D^-1/2 A D^-1/2) X)_r ||_1``, (G, R): how far a node is from what its neighbours say.

    Self-loops are left out; D is the row sum of A, also where A is not symmetric.

    Parameters
    ----------
    x : tensor (G, R, D)
    adjacency : Adjacency of shape (G, R, R)

    Raises
    ------
    NegativeWeights
    """
    return check_finite("The information score", (x + adjacency.laplacian() @ x).abs().sum(-1))  # L~ + I = L


def reachable(adjacency: Adjacency, hops: int) -> Tensor:
    """Return which pairs lie at most `hops` edges apart, each node with itself, bool (G, R, R)."""
    weight = adjacency.to_dense().detach()
    step = (weight != 0).to(weight.dtype)
    near = torch.eye(step.shape[-1], dtype=weight.dtype, device=weight.device).expand_as(step)
    for _ in range(hops):
        near = ((near + step @ near) > 0).to(weight.dtype)
    return near > 0


class StructurePooling(nn.Module):
    """Keep the ``ceil(ratio R)`` nodes of the largest information score, then learn the edges between them.

    ``e_pq = LeakyReLU(a . [x_p || x_q]) + lamb A_pq``, ``A'_p = sparsemax_q(e_p)`` (or softmax), over all pairs of kept
    usable nodes, each node with itself. A' is not symmetric: each of its rows sums to 1, and node p listens along row
    p. It is for graphs of some hundred nodes: all pairs are written, also with `hops`.

    Parameters
    ----------
    in_channels : int
    ratio : float
        In (0, 1].
    attention : {"softmax", "sparsemax"}
    lamb : float
        Weight of the edges that there were.
    hops : int or None
        Pairs farther apart in the graph that came are no candidates; None takes all pairs.
    negative_slope : float

    References
    ----------
    Zhang et al. (2019). Hierarchical graph pooling with structure learning. arXiv 1911.05954.
    """

    def __init__(
        self,
        in_channels: int,
        ratio: float = 0.5,
        attention: str = "sparsemax",
        lamb: float = 1.0,
        hops: int | None = None,
        negative_slope: float = 0.2,
    ):
        super().__init__()
        self.ratio = check_range("ratio", ratio, 0.0, 1.0, open_low=True)
        self.attention = check_option("attention", attention, ATTENTIONS)
        self.hops = hops if hops is None else check_range("hops", hops, 0)
        self.lamb, self.negative_slope = lamb, negative_slope
        self.att = nn.Parameter(torch.empty(1, 2 * in_channels))
        nn.init.xavier_uniform_(self.att)

    def forward(self, x: Tensor, adjacency: Adjacency, nodes: Tensor | None = None) -> Pooled:
        """Return `Pooled` of x (G, R, D), an adjacency (G, R, R), and usable nodes, bool (G, R) or None for all.

        Raises
        ------
        NegativeWeights
            The information score needs edge weights >= 0.
        """
        x = mask_nodes(x, nodes)
        score = information_score(x, adjacency)
        kept = keep_largest(score, nodes, num_kept(self.ratio, x.shape[1]))
        usable = torch.ones_like(kept, dtype=torch.bool) if nodes is None else take_nodes(nodes, kept)
        x = take_nodes(x, kept)
        learned = self._edges(x, adjacency, kept, usable)
        return Pooled(x, Adjacency.from_dense(learned), usable, kept, torch.where(usable, take_nodes(score, kept), 0.0))

    def _edges(self, x: Tensor, adjacency: Adjacency, kept: Tensor, usable: Tensor) -> Tensor:
        """Return A', (G, r, r): rows of usable nodes sum to 1, the others are zero."""
        first, second = self.att[0].chunk(2)
        pair = (x @ first)[:, :, None] + (x @ second)[:, None, :]  # (G, r, r)
        logit = leaky_relu(pair, self.negative_slope) + self.lamb * induced_subgraph(adjacency, kept).to_dense()
        candidates = usable[:, :, None] & usable[:, None, :]
        if self.hops is not None:
            candidates = candidates & take_pairs(reachable(adjacency, self.hops), kept)
        return ATTENTIONS[self.attention](logit, candidates)
