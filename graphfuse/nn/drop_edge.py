"""DropEdge: other neighbours at every step of the training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency

WORD = 0xFFFFFFFF  # 32 bits


class DropEdge(nn.Module):
    """Keep each undirected edge with probability ``1 - p`` in training; leave the graphs as they are otherwise.

    Both directions of an edge are kept or dropped together; an edge without an opposite has a draw of its own.
    Self-loops stay, the weights that are kept stay what they were, and degrees are those of what is left. Unlike
    `Adjacency.drop_edges`, whose draws are of directed edges. Which edges are kept depends on torch's generator of the
    CPU and not on the layout.

    Parameters
    ----------
    p : float
        Probability with which an edge is dropped.

    Raises
    ------
    InvalidOption
        p outside 0 .. 1; in `forward`, a rectangular adjacency.

    References
    ----------
    Rong, Huang, Xu and Huang (2020). DropEdge: towards deep graph convolutional networks on node classification. ICLR.
    """

    def __init__(self, p: float = 0.3):
        super().__init__()
        self.p = check_range("p", p, 0.0, 1.0)

    def forward(self, adjacency: Adjacency) -> Adjacency:
        """Return graphs of the same shape, layout and stored pattern."""
        if not self.training or self.p == 0:
            return adjacency
        return dropped_together(adjacency, self.p, int(torch.randint(WORD, ())))

    def extra_repr(self) -> str:
        return f"p={self.p}"


def dropped_together(adjacency: Adjacency, p: float, seed: int) -> Adjacency:
    """Return the graphs without the undirected edges that the seed drops, each with probability `p`.

    Every stored edge makes its draw from the seed and its two ends, smaller number first, so that both directions
    agree without being looked up.

    Parameters
    ----------
    adjacency : Adjacency of shape (G, R, R)
    p : float
    seed : int
        0 .. 2^32 - 1.
    """
    if adjacency.shape[1] != adjacency.shape[2]:
        raise InvalidOption(f"DropEdge needs a square adjacency; got {adjacency.shape}. Drop edges before attaching.")
    target, source = _ends(adjacency)
    draw = _mix(_mix(torch.minimum(target, source) ^ seed) ^ torch.maximum(target, source))
    kept = (draw >= int(p * (WORD + 1))) | (target == source)
    return adjacency.with_weight(adjacency.weight * kept)


def _ends(adjacency: Adjacency) -> tuple[Tensor, Tensor]:
    """Target and source of each weight, int64, numbered over all graphs; they broadcast to the weights."""
    graphs, nodes, _ = adjacency.shape
    if adjacency.pattern is not None:
        return adjacency.pattern.row.long(), adjacency.pattern.col.long()  # (E,)
    number = torch.arange(graphs * nodes, device=adjacency.weight.device).view(graphs, nodes)
    return number[:, :, None], number[:, None, :]  # (G, R, 1), (G, 1, R)


def _mix(x: Tensor) -> Tensor:
    """Wellons's hash "lowbias32" of 32 bits, in int64 that wraps."""
    x = x & WORD
    x = (x ^ (x >> 16)) * 0x7FEB352D & WORD
    x = (x ^ (x >> 15)) * 0x846CA68B & WORD
    return x ^ (x >> 16)
