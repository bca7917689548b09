from __future__ import annotations

import networkx as nx
import numpy as np
import torch

from graphfuse.connectome.measures.shortest import (
    hops,
    inverse_distances,
    inverse_weights,
    neighbour_inverse_distances,
    pair_dependencies,
)


def test_lengths_are_one_or_one_over_the_weight_and_infinite_without_an_edge():
    weights = torch.tensor([[[0, 4.0], [4.0, 0]]])
    assert hops(weights).tolist() == [[[torch.inf, 1], [1, torch.inf]]]
    assert inverse_weights(weights).tolist() == [[[torch.inf, 0.25], [0.25, torch.inf]]]


def test_dependencies_count_each_ordered_pair_as_networkx_does(weights, nodes, by_region):
    wanted = 2 * by_region(lambda graph: nx.betweenness_centrality(graph, normalized=False))
    usable = torch.where(nodes[:, :, None] & nodes[:, None, :], weights, 0)
    np.testing.assert_allclose(pair_dependencies(hops(usable)), wanted, atol=1e-12)


def test_a_path_of_three_has_the_distances_that_one_counts_by_hand():
    weights = torch.zeros(1, 4, 4)
    for a, b in ((0, 1), (1, 2)):
        weights[0, a, b] = weights[0, b, a] = 1
    assert inverse_distances(hops(weights)).tolist() == [[1.5, 2, 1.5, 0]]
    assert neighbour_inverse_distances(hops(weights)).tolist() == [[0, 0, 0, 0]]
    weights[0, 0, 2] = weights[0, 2, 0] = 1
    assert neighbour_inverse_distances(hops(weights)).tolist() == [[2, 2, 2, 0]]


def test_the_result_does_not_depend_on_the_number_of_threads(weights):
    length = inverse_weights(weights)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        several = pair_dependencies(length)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(several, torch.cat([pair_dependencies(one[None]) for one in length]))
