"""Several rounds of convolving and pooling, and how far each node came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from graphfuse.errors import InvalidOption
from graphfuse.kernels import Adjacency
from graphfuse.nn.pool.contract import Pooled


def pool_levels(
    convs: Iterable[nn.Module],
    pools: Iterable[nn.Module],
    x: Tensor,
    adjacency: Adjacency,
    nodes: Tensor | None = None,
) -> list[Pooled]:
    """Return what each round of ``pool(relu(conv(x, A)), A)`` gives, the next round working on what the last one kept.

    Parameters
    ----------
    convs : iterable of Module
        ``conv(x (G, R, F), adjacency) -> (G, R, D)``, one a level.
    pools : iterable of Module
        ``pool(x (G, R, D), adjacency, nodes) -> Pooled``, one a level.
    x : tensor (G, R, F)
    adjacency : Adjacency of shape (G, R, R)
    nodes : bool tensor (G, R) or None
        Usable nodes; None means all.
    """
    levels = []
    for conv, pool in zip(convs, pools, strict=True):
        pooled = pool(conv(x, adjacency).relu(), adjacency, nodes)
        x, adjacency, nodes = pooled.x, pooled.adjacency, pooled.nodes
        levels.append(pooled)
    return levels


def survived(levels: Sequence[Pooled], num_nodes: int) -> Tensor:
    """Return after how many levels each node was still kept and usable, int64 (G, R), in 0 .. the number of levels.

    Parameters
    ----------
    levels : sequence of Pooled
        Of one pass, in their order.
    num_nodes : int
        Nodes before the first level, R.

    Raises
    ------
    InvalidOption
        A level of clusters, which keep no nodes.
    """
    graphs, device = len(levels[0].x), levels[0].x.device
    count = torch.zeros(graphs, num_nodes, dtype=torch.int64, device=device)
    place = torch.arange(num_nodes, device=device).expand(graphs, -1)  # node number at the start, (G, r)
    for level in levels:
        if level.kept is None:
            raise InvalidOption("survived needs levels that keep nodes; got clusters. Use TopKPooling, say.")
        place = place.gather(1, level.kept)
        count.scatter_add_(1, place, level.nodes.long())
    return count
