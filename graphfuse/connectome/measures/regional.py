"""All measures by name: many graphs in, one number a region and measure out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_option
from graphfuse._progress import progress
from graphfuse.connectome.measures.communities import communities_of
from graphfuse.connectome.measures.neighbours import degree, strength
from graphfuse.connectome.measures.partition import modularity_part, participation
from graphfuse.connectome.measures.paths import (
    betweenness,
    efficiency,
    local_efficiency,
    weighted_betweenness,
    weighted_efficiency,
)
from graphfuse.connectome.measures.triangles import clustering, weighted_clustering
from graphfuse.errors import InvalidOption

CHUNK = 32  # graphs that are worked on at once

# A plain name asks which edges exist, a weighted one how strong they are.
EDGE_MEASURES = {
    "degree": degree,
    "strength": strength,
    "clustering": clustering,
    "weighted-clustering": weighted_clustering,
    "betweenness": betweenness,
    "weighted-betweenness": weighted_betweenness,
    "efficiency": efficiency,
    "weighted-efficiency": weighted_efficiency,
    "local-efficiency": local_efficiency,
}
COMMUNITY_MEASURES = {"modularity": modularity_part, "participation": participation}  # these need communities too
MEASURES = EDGE_MEASURES | COMMUNITY_MEASURES


def regional_measures(
    weights: Tensor | np.ndarray,
    measures: Sequence[str] = tuple(MEASURES),
    nodes=None,
    communities: Tensor | np.ndarray | None = None,
) -> Tensor:
    """Several measures of every region of every graph, each graph alone.

    Parameters
    ----------
    weights : array (B, R, R)
        Symmetric, 0 or above; the diagonal is never looked at.
    measures : sequence of str (K,)
        Keys of `MEASURES`.
    nodes : array (B, R) bool or None
        Usable regions; the others are 0 and influence nothing.
    communities : array (B, R) int or None
        Read by ``modularity`` and ``participation``; None = `louvain` of each graph.

    Returns
    -------
    Tensor (B, R, K) float64

    Raises
    ------
    InvalidOption, NegativeWeights, NonFinite, ShapeMismatch
    """
    measures = check_measures(measures)
    weights = torch.as_tensor(weights)
    nodes = torch.ones(weights.shape[:2], dtype=torch.bool) if nodes is None else torch.as_tensor(nodes)
    if communities is None and needs_communities(measures):
        communities = communities_of(None, weights, nodes)
    parts = [
        _measured(measures, weights[rows], nodes[rows], None if communities is None else communities[rows])
        for rows in progress(torch.arange(len(weights)).split(CHUNK), "Measuring graphs")
    ]
    return torch.cat(parts)


def check_measures(measures: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each a key of `MEASURES` that stands once, else raise `InvalidOption`."""
    names = (measures,) if isinstance(measures, str) else tuple(measures)
    for name in names:
        check_option("measures", name, MEASURES)
    if len(set(names)) != len(names) or not names:
        raise InvalidOption(f"measures must name one measure or more, each once; got {names}.")
    return names


def needs_communities(measures: Sequence[str]) -> bool:
    """Whether one of these measures reads communities, which take time to find."""
    return not set(measures).isdisjoint(COMMUNITY_MEASURES)


def _measured(measures: Sequence[str], weights: Tensor, nodes: Tensor, communities) -> Tensor:
    values = [
        COMMUNITY_MEASURES[name](weights, communities, nodes)
        if name in COMMUNITY_MEASURES
        else EDGE_MEASURES[name](weights, nodes)
        for name in measures
    ]
    return torch.stack(values, 2)  # (b, R, K)
