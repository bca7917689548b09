from __future__ import annotations

from functools import partial

import networkx as nx
import numpy as np
import pytest
import torch

from graphfuse.connectome.measures.paths import (
    betweenness,
    efficiency,
    local_efficiency,
    weighted_betweenness,
    weighted_efficiency,
)


def nodal_efficiency(graph: nx.Graph, weight=None) -> dict:
    ways = dict(nx.all_pairs_dijkstra_path_length(graph, weight=weight if weight else lambda *_: 1))
    others = max(len(graph) - 1, 1)
    return {v: sum(1 / d for u, d in ways[v].items() if u != v) / others for v in graph}


def neighbours_efficiency(graph: nx.Graph) -> dict:
    return {v: nx.global_efficiency(graph.subgraph(graph[v])) for v in graph}


REFERENCES = {
    betweenness: nx.betweenness_centrality,
    weighted_betweenness: partial(nx.betweenness_centrality, weight="length"),
    efficiency: nodal_efficiency,
    weighted_efficiency: partial(nodal_efficiency, weight="length"),
    local_efficiency: neighbours_efficiency,
}


@pytest.mark.parametrize("measure", REFERENCES, ids=lambda measure: measure.__name__)
def test_each_measure_equals_networkx_graph_by_graph(measure, weights, nodes, by_region):
    wanted = by_region(REFERENCES[measure])
    np.testing.assert_allclose(measure(weights, nodes), wanted, atol=1e-12)
    assert len(np.unique(wanted.round(6))) > 10


def test_means_over_regions_are_networkxs_efficiencies_of_the_graph(weights, networkx_graphs):
    for g in (0, 3, 4, 5):  # all regions usable
        assert efficiency(weights)[g].mean() == pytest.approx(nx.global_efficiency(networkx_graphs[g]))
        assert local_efficiency(weights)[g].mean() == pytest.approx(nx.local_efficiency(networkx_graphs[g]))


def test_a_strong_edge_is_a_short_way():
    weights = torch.zeros(1, 4, 4)
    for a, b, w in ((0, 1, 4.0), (1, 2, 4.0), (0, 2, 1.0), (2, 3, 1.0)):
        weights[0, a, b] = weights[0, b, a] = w
    assert betweenness(weights)[0].tolist() == [0, 0, 2 / 3, 0]
    assert weighted_betweenness(weights)[0].tolist() == pytest.approx([0, 2 / 3, 2 / 3, 0])  # 0 - 1 - 2, not 0 - 2


def test_ways_that_differ_by_rounding_alone_share_what_passes():
    weights = torch.zeros(1, 4, 4, dtype=torch.float64)
    for a, b, length in ((0, 1, 0.1), (1, 3, 0.2), (0, 2, 0.15), (2, 3, 0.15)):  # 0.1 + 0.2 is not 0.3 in binary
        weights[0, a, b] = weights[0, b, a] = 1 / length
    assert weighted_betweenness(weights)[0, 1:3].tolist() == pytest.approx([1 / 6, 1 / 6])


@pytest.mark.parametrize("measure", REFERENCES, ids=lambda measure: measure.__name__)
def test_renaming_the_regions_moves_the_values_with_them(measure, weights):
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(measure(weights[:, order][:, :, order]), measure(weights)[:, order])
