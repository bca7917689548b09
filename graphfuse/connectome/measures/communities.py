"""Communities: the groups of regions that a graph falls into, found in it or named by an atlas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from graphfuse._check import check_option, check_shape
from graphfuse._progress import progress
from graphfuse.connectome.measures.weights import as_weights


def louvain(weights: Tensor | np.ndarray, nodes=None, random_state: int = 0) -> Tensor:
    """Communities of each graph by the method of Louvain, through networkx.

    Each graph is given the same seed, so what is found in it depends on no other graph.

    Parameters
    ----------
    weights : array (B, R, R)
        Symmetric, 0 or above; the diagonal is never looked at.
    nodes : array (B, R) bool or None
        Usable regions; None = all.
    random_state : int
        Seed of the order in which regions are visited.

    Returns
    -------
    Tensor (B, R) int64
        Numbers of the communities from 0 on, the largest first; -1 at an unusable region.

    Raises
    ------
    NegativeWeights, NonFinite, ShapeMismatch

    References
    ----------
    Blondel et al. (2008), Fast unfolding of communities in large networks, J Stat Mech P10008.
    """
    from networkx.algorithms.community import louvain_communities

    return _each(lambda graph: louvain_communities(graph, seed=random_state), weights, nodes)


def greedy(weights: Tensor | np.ndarray, nodes=None, random_state: int = 0) -> Tensor:
    """Communities of each graph by joining, again and again, the two that raise the modularity most.

    Arguments, result and errors are those of `louvain`; there is nothing random, and `random_state` is not used.

    References
    ----------
    Clauset, Newman and Moore (2004), Finding community structure in very large networks, Phys Rev E 70.
    """
    from networkx.algorithms.community import greedy_modularity_communities

    return _each(lambda graph: greedy_modularity_communities(graph, weight="weight"), weights, nodes)


FINDERS = {"louvain": louvain, "greedy": greedy}


def communities_of(
    networks: str | Sequence[str] | None, weights: Tensor | np.ndarray, nodes=None, random_state: int = 0
) -> Tensor:
    """Number the community of each region, (B, R) int64.

    Parameters
    ----------
    networks : sequence of str (R,), or str, or None
        The network of each region, the same in all graphs: regions with the same name, or all without one (""),
        belong together. Or how to find them in each graph, a key of `FINDERS`; None = ``"louvain"``.
    weights, nodes, random_state
        As for `louvain`.

    Raises
    ------
    InvalidOption, NegativeWeights, NonFinite, ShapeMismatch
    """
    if networks is None or isinstance(networks, str):
        return FINDERS[check_option("networks", networks or "louvain", FINDERS)](weights, nodes, random_state)
    count, regions = np.shape(weights)[:2]
    names = check_shape("networks", np.asarray(networks, dtype=object), (regions,))
    return torch.from_numpy(pd.factorize(names)[0].astype(np.int64)).expand(count, -1).clone()


def _each(find, weights, nodes) -> Tensor:
    weights, nodes = as_weights(weights, nodes)
    result = torch.full(nodes.shape, -1)
    graphs = zip(result, weights.cpu().numpy(), nodes.cpu().numpy(), strict=True)
    for row, own, usable in progress(graphs, "Finding communities", len(result)):
        for number, members in enumerate(_found(find, own, np.flatnonzero(usable))):
            row[members] = number
    return result


def _found(find, weight: np.ndarray, regions: np.ndarray) -> list[list[int]]:
    """Communities of the usable `regions`, the largest first, then by their first region."""
    if not weight.any():  # no modularity to raise: each region stays alone
        return [[int(region)] for region in regions]
    from networkx import from_numpy_array

    graph = from_numpy_array(weight).subgraph(regions.tolist()).copy()
    return sorted((sorted(members) for members in find(graph)), key=lambda members: (-len(members), members))
