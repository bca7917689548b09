from __future__ import annotations

import networkx as nx
import numpy as np
import torch

from graphfuse.connectome.measures.triangles import clustering, weighted_clustering


def test_clustering_is_networkxs(weights, nodes, by_region):
    np.testing.assert_allclose(clustering(weights, nodes), by_region(nx.clustering), atol=1e-12)


def test_weighted_clustering_is_networkxs(weights, nodes, by_region):
    wanted = by_region(lambda graph: nx.clustering(graph, weight="weight"))
    np.testing.assert_allclose(weighted_clustering(weights, nodes), wanted, atol=1e-12)
    assert (wanted > 0).any()


def test_a_factor_on_all_weights_does_not_change_the_weighted_clustering(weights):
    torch.testing.assert_close(weighted_clustering(1000 * weights), weighted_clustering(weights))
