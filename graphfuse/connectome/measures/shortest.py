"""Shortest paths on the CPU: kernels over graphs, each of which is dense, small and worked on alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse.kernels.jit import jit, over_rows

TIE = 1e-12  # two ways are equally long when their lengths differ by less than this share: sums round


def hops(weights: Tensor) -> Tensor:
    """Length 1 where there is an edge, infinity elsewhere, (B, R, R)."""
    return torch.where(weights > 0, 1.0, torch.inf).to(weights)


def inverse_weights(weights: Tensor) -> Tensor:
    """Length ``1 / w`` where there is an edge, infinity elsewhere, (B, R, R): a strong edge is short."""
    return 1 / weights


def pair_dependencies(length: Tensor) -> Tensor:
    """Shares of the shortest ways from s to t that pass through each region, summed over ordered pairs, (B, R)."""
    return _over_graphs(_dependencies, length)


def inverse_distances(length: Tensor) -> Tensor:
    """Sum over all other regions of one over the distance to them, 0 where there is no way, (B, R)."""
    return _over_graphs(_closeness, length)


def neighbour_inverse_distances(length: Tensor) -> Tensor:
    """The sum of `inverse_distances` over the graph of each region's neighbours alone, (B, R)."""
    return _over_graphs(_among_neighbours, length)


def _over_graphs(kernel, length: Tensor) -> Tensor:
    length = length.cpu().double().contiguous()
    result = torch.zeros(length.shape[:2], dtype=torch.float64)
    over_rows(kernel, len(length), length, result, least=1)
    return result


@jit
def _joined(length, ends, degree):
    """List the neighbours of each region, ``ends[v, :degree[v]]``: few of all pairs are joined."""
    for v in range(len(length)):
        degree[v] = 0
        for u in range(len(length)):
            if length[v, u] < np.inf and u != v:
                ends[v, degree[v]] = u
                degree[v] += 1


@jit
def _settle(length, ends, degree, source, distance, ways, order):
    """Dijkstra from `source`: distances, numbers of shortest ways, regions in the order of distance; how many."""
    settled = np.zeros(len(length), np.bool_)
    distance[:], ways[:] = np.inf, 0
    distance[source], ways[source] = 0, 1
    for reached in range(len(length)):
        here, nearest = -1, np.inf
        for v in range(len(length)):
            if distance[v] < nearest and not settled[v]:
                here, nearest = v, distance[v]
        if here < 0:
            return reached
        settled[here], order[reached] = True, here
        for v in ends[here, : degree[here]]:
            through = nearest + length[here, v]
            if settled[v]:
                continue
            if through < distance[v] * (1 - TIE):
                distance[v], ways[v] = through, ways[here]
            elif through <= distance[v] * (1 + TIE):
                ways[v] += ways[here]
    return len(length)


@jit
def _dependencies(begin, end, length, result):
    regions = length.shape[1]
    ends, degree, order = (
        np.empty((regions, regions), np.int64),
        np.empty(regions, np.int64),
        np.empty(regions, np.int64),
    )
    distance, ways, share = np.empty(regions), np.empty(regions), np.empty(regions)
    for g in range(begin, end):
        _joined(length[g], ends, degree)
        for source in range(regions):
            reached = _settle(length[g], ends, degree, source, distance, ways, order)
            share[:] = 0
            for place in range(reached - 1, 0, -1):  # the farthest first; the source itself is no way station
                v = order[place]
                for u in ends[v, : degree[v]]:
                    if abs(distance[u] + length[g, u, v] - distance[v]) <= TIE * distance[v]:
                        share[u] += ways[u] / ways[v] * (1 + share[v])
                result[g, v] += share[v]


@jit
def _sums_from_all(length, sums):
    """Write the sum of one over the distances from each region of one graph."""
    regions = len(length)
    ends, degree, order = (
        np.empty((regions, regions), np.int64),
        np.empty(regions, np.int64),
        np.empty(regions, np.int64),
    )
    distance, ways = np.empty(regions), np.empty(regions)
    _joined(length, ends, degree)
    for source in range(regions):
        sums[source] = 0
        for place in range(1, _settle(length, ends, degree, source, distance, ways, order)):
            sums[source] += 1 / distance[order[place]]


@jit
def _closeness(begin, end, length, result):
    for g in range(begin, end):
        _sums_from_all(length[g], result[g])


@jit
def _among_neighbours(begin, end, length, result):
    sums = np.empty(length.shape[1])
    for g in range(begin, end):
        for region in range(length.shape[1]):
            members = np.flatnonzero(length[g, region] < np.inf)
            _sums_from_all(length[g][members][:, members], sums[: len(members)])
            result[g, region] = sums[: len(members)].sum()
