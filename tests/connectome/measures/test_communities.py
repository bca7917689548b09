from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch

from graphfuse.connectome.measures.communities import communities_of, greedy, louvain
from graphfuse.errors import InvalidOption, ShapeMismatch


def sets(row: torch.Tensor) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(row == code).tolist()) for code in row.unique() if code >= 0}


@pytest.fixture
def three_blocks() -> torch.Tensor:
    blocks = torch.tensor([0, 1, 0, 1, 2, 1, 0, 2, 1])
    weights = 0.05 + (blocks[:, None] == blocks).double()
    return weights.fill_diagonal_(0)[None]


@pytest.mark.parametrize("find", [louvain, greedy])
def test_planted_blocks_are_found_and_the_largest_comes_first(find, three_blocks):
    assert find(three_blocks)[0].tolist() == [1, 0, 1, 0, 2, 0, 1, 2, 0]


def test_louvain_finds_what_networkx_finds_with_the_same_seed(weights, nodes, networkx_graphs):
    for g in (0, 1, 3, 4):
        wanted = nx.community.louvain_communities(networkx_graphs[g], seed=3)
        assert sets(louvain(weights, nodes, random_state=3)[g]) == set(map(frozenset, wanted))


def test_greedy_finds_what_networkx_finds(weights, nodes, networkx_graphs):
    for g in (0, 1, 3, 4):
        wanted = nx.community.greedy_modularity_communities(networkx_graphs[g], weight="weight")
        assert sets(greedy(weights, nodes)[g]) == set(map(frozenset, wanted))


@pytest.mark.parametrize("find", [louvain, greedy])
def test_a_graph_without_edges_has_a_community_a_usable_region(find, weights, nodes):
    assert find(weights, nodes)[5].tolist() == list(range(12))
    assert (find(weights, nodes)[1] == -1).nonzero().flatten().tolist() == [3, 7]


def test_a_graphs_communities_depend_on_no_other_graph(weights):
    assert torch.equal(louvain(weights)[3], louvain(weights[[3]])[0])


def test_names_of_networks_number_the_regions_of_all_graphs():
    codes = communities_of(["B", "A", "", "B", ""], torch.zeros(2, 5, 5))
    assert codes.tolist() == [[0, 1, 2, 0, 2]] * 2
    assert torch.equal(communities_of(None, torch.zeros(2, 5, 5)), communities_of("louvain", torch.zeros(2, 5, 5)))


def test_other_methods_and_other_numbers_of_names_are_refused():
    with pytest.raises(InvalidOption, match="louvain"):
        communities_of("leiden", torch.zeros(2, 5, 5))
    with pytest.raises(ShapeMismatch, match="networks"):
        communities_of(["A", "B"], torch.zeros(2, 5, 5))
