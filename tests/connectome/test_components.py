from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from graphfuse.connectome.components import component_sizes, edge_components
from graphfuse.errors import ShapeMismatch

ROW, COLUMN = np.triu_indices(30, 1)


def test_edges_share_a_number_where_networkx_puts_their_ends_into_one_component():
    rng = np.random.default_rng(0)
    for density in (0.01, 0.03, 0.05, 0.3):
        chosen = rng.random(len(ROW)) < density
        row, column, weight = ROW[chosen], COLUMN[chosen], rng.random(chosen.sum())
        graph = nx.Graph()
        graph.add_weighted_edges_from(zip(row, column, weight, strict=True))
        code = edge_components(row, column, 30)
        wanted = [graph.subgraph(members) for members in nx.connected_components(graph)]
        assert {frozenset(row[code == c]) | frozenset(column[code == c]) for c in set(code)} == set(
            map(frozenset, wanted)
        )
        sizes = sorted(part.size(weight="weight") for part in wanted)
        np.testing.assert_allclose(sorted(component_sizes(row, column, 30, weight)), sizes)


def test_no_edges_have_no_components():
    none = np.zeros(0, int)
    assert edge_components(none, none, 4).tolist() == []
    assert component_sizes(none, none, 4, np.zeros(0)).tolist() == []


def test_each_edge_has_two_ends():
    with pytest.raises(ShapeMismatch, match="column"):
        edge_components(np.array([0, 1]), np.array([1]), 3)
