from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch

from graphfuse.connectome.measures.partition import modularity, modularity_part, participation
from graphfuse.errors import InvalidOption, ShapeMismatch


@pytest.fixture
def communities(nodes) -> torch.Tensor:
    codes = torch.arange(12).remainder(3).repeat(6, 1)
    return torch.where(nodes, codes, -1)


def test_participation_is_the_sum_that_defines_it(weights, nodes, communities, by_region):
    def reference(graph: nx.Graph) -> dict:
        values = {}
        for v in graph:
            total, of = graph.degree(v, weight="weight"), [0.0, 0.0, 0.0]
            for u in graph[v]:
                of[u % 3] += graph[v][u]["weight"]
            values[v] = 1 - sum((s / total) ** 2 for s in of) if total else 0
        return values

    wanted = by_region(reference)
    np.testing.assert_allclose(participation(weights, communities, nodes), wanted, atol=1e-12)
    assert wanted.max() > 0.5


def test_edges_that_stay_at_home_do_not_participate():
    weights = torch.ones(1, 4, 4)
    assert participation(weights, torch.zeros(1, 4))[0].tolist() == [0, 0, 0, 0]
    spread = participation(weights, torch.arange(4)[None])[0]
    assert spread.tolist() == pytest.approx([2 / 3] * 4)  # a third of the strength to each of three


def test_the_modularity_is_networkxs(weights, nodes, communities, networkx_graphs):
    got = modularity(weights, communities, nodes)
    for g in (0, 1, 3, 4):
        parts = [{v for v in networkx_graphs[g] if v % 3 == c} for c in range(3)]
        assert got[g] == pytest.approx(nx.community.modularity(networkx_graphs[g], parts, weight="weight"))
    assert got[5] == 0


def test_the_parts_of_the_regions_are_the_terms_of_the_modularity(weights, communities):
    weight, code = weights[3].numpy(), communities[3].numpy()
    own, total = weight.sum(1), weight.sum()
    wanted = [
        sum(weight[i, j] - own[i] * own[j] / total for j in range(12) if code[j] == code[i]) / total for i in range(12)
    ]
    np.testing.assert_allclose(modularity_part(weights[[3]], communities[[3]])[0], wanted, atol=1e-12)


def test_the_numbers_of_the_communities_do_not_matter(weights):
    codes = torch.arange(12).remainder(3).expand(6, -1)
    other = torch.tensor([7, 2, 4])[codes]
    torch.testing.assert_close(participation(weights, codes), participation(weights, other))
    torch.testing.assert_close(modularity_part(weights, codes), modularity_part(weights, other))


def test_usable_regions_need_a_community_each(weights):
    with pytest.raises(InvalidOption, match="0 or above"):
        participation(weights, torch.full((6, 12), -1))
    with pytest.raises(ShapeMismatch, match="communities"):
        modularity_part(weights, torch.zeros(12))
