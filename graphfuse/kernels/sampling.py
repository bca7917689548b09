"""A node's neighbourhood cut out of a large graph, so that one step of training needs no more than it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.csr import BlockCSR, sorted_edges


class Neighbourhood(NamedTuple):
    """Part of a graph.

    Parameters
    ----------
    adjacency : Adjacency of shape (1, n, n)
        Its degrees are those of the whole graph, so it normalises as the whole graph does.
    nodes : int64 tensor (n,)
        The nodes of the whole graph that these are; the seeds come first.
    """

    adjacency: Adjacency
    nodes: Tensor


def neighbourhood(
    adjacency: Adjacency,
    seeds: Tensor,
    hops: int,
    fanout: int | None = None,
    generator: torch.Generator | None = None,
) -> Neighbourhood:
    """Return all that `hops` layers of message passing need to tell the output at the seeds.

    Without `fanout` the output at the seeds is that of the whole graph. With it a node of degree k > fanout keeps a
    uniform draw of its edges, their weights times ``k / fanout``, so that the sum of its messages is right in the mean.

    Parameters
    ----------
    adjacency : Adjacency of shape (1, N, N), sparse
    seeds : int tensor (B,)
        Distinct nodes.
    hops : int
        Layers, counted in products: a Chebyshev filter of order K counts K.
    fanout : int or None
        Most edges that a node keeps.
    generator : torch.Generator or None
        Source of the draw.

    Raises
    ------
    InvalidOption
        More than one graph, a dense one, or a seed that is given twice.

    References
    ----------
    Hamilton, Ying and Leskovec (2017). Inductive representation learning on large graphs. NeurIPS.
    """
    _check(adjacency, seeds, hops, fanout)
    pattern, size = adjacency.pattern, adjacency.num_nodes
    place = torch.full((size,), -1, dtype=torch.int64, device=seeds.device)  # number of a node in the part
    nodes, begin, parts = seeds.long(), 0, []
    place[nodes] = torch.arange(len(nodes), device=seeds.device)
    for hop in range(hops + 1):  # of the nodes beyond the last hop nothing is needed but their self-loops
        frontier = nodes[begin:]
        edge, row, share = _edges_into(pattern, frontier, fanout if hop < hops else 0, generator)
        parts.append((edge, row + begin, share))
        begin = len(nodes)
        sources = pattern.col[edge].long()
        new = sources[place[sources] < 0].unique()
        place[new] = torch.arange(begin, begin + len(new), device=seeds.device)
        nodes = torch.cat([nodes, new])
    edge, row, share = (torch.cat(column) for column in zip(*parts, strict=True))
    weight = adjacency.weight[edge] * share.to(adjacency.weight.dtype)
    part = Adjacency(weight, sorted_edges(row, place[pattern.col[edge]], (1, len(nodes), len(nodes))))
    return Neighbourhood(part.of_degree(adjacency.degree()[:, nodes]), nodes)


def _edges_into(pattern: BlockCSR, rows: Tensor, fanout: int | None, generator) -> tuple[Tensor, Tensor, Tensor]:
    """Edges (E',) that lead to `rows` (n,), the position of each one's row in `rows`, and the factor of its weight.

    Self-loops are always kept, and not counted: a node that lost its own would be given another.
    """
    counts = pattern.crow.diff()[rows].long()
    row = torch.arange(len(rows), device=rows.device).repeat_interleave(counts)
    edge = pattern.crow[rows].long()[row] + torch.arange(len(row), device=rows.device) - _firsts(counts)[row]
    if fanout is None:
        return edge, row, torch.ones_like(edge)
    kept = pattern.col[edge] == rows[row]
    others = (~kept).nonzero()[:, 0]
    counts = torch.bincount(row[others], minlength=len(rows))
    draw = torch.rand(len(others), dtype=torch.float64, generator=generator, device=rows.device)
    order = (row[others] + draw).argsort()  # at random within each row
    rank = torch.arange(len(others), device=rows.device) - _firsts(counts)[row[others]]
    chosen = others[order[rank < fanout]]
    kept[chosen] = True
    share = torch.ones(len(edge), device=rows.device)
    share[chosen] = (counts / counts.clamp(max=fanout))[row[chosen]].float()
    return edge[kept], row[kept], share[kept]


def _firsts(counts: Tensor) -> Tensor:
    """Where each row's run of edges begins."""
    return counts.cumsum(0) - counts


def _check(adjacency: Adjacency, seeds: Tensor, hops: int, fanout: int | None) -> None:
    check_range("hops", hops, 1)
    check_range("fanout", 1 if fanout is None else fanout, 1)
    check_shape("seeds", seeds, (None,))
    graphs, targets, sources = adjacency.shape
    if graphs != 1 or targets != sources or adjacency.pattern is None:
        raise InvalidOption(
            f"A neighbourhood is cut out of one square sparse graph; got {adjacency.layout} {adjacency.shape}. "
            "Build it with layout='sparse'."
        )
    if len(seeds.unique()) != len(seeds):
        raise InvalidOption("seeds must be distinct nodes; some are given twice. Pass seeds.unique().")
