from __future__ import annotations

import networkx as nx
import numpy as np

from graphfuse.connectome.measures.neighbours import degree, strength


def test_degree_is_networkxs(weights, nodes, by_region):
    np.testing.assert_array_equal(degree(weights, nodes), by_region(nx.degree))


def test_strength_is_networkxs_weighted_degree(weights, nodes, by_region):
    np.testing.assert_allclose(strength(weights, nodes), by_region(lambda graph: graph.degree(weight="weight")))
