from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
import torch

from graphfuse.connectome.measures import MEASURES, betweenness
from graphfuse.errors import InvalidOption, NegativeWeights, ShapeMismatch
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.measure_table import global_measures, graph_measures
from graphfuse.kernels.adjacency import Adjacency

NAMES = [f"r{i}" for i in range(8)]
NETWORKS = ["A", "A", "A", "B", "B", "B", "", ""]


def random_weights(n: int = 3) -> torch.Tensor:
    rng = np.random.default_rng(0)
    upper = np.triu(rng.uniform(0.2, 1, (n, 8, 8)) * (rng.random((n, 8, 8)) < 0.5), 1)
    return torch.from_numpy(upper + upper.transpose(0, 2, 1)).float()


def random_graphs() -> Graphs:
    """Three people; the second was not measured, region 5 of the third is not usable."""
    weights, nodes, present = random_weights(), torch.ones(3, 8, dtype=torch.bool), torch.tensor([True, False, True])
    nodes[2, 5] = False
    weights[2, 5], weights[2, :, 5], weights[1] = 0, 0, 0
    return Graphs(torch.zeros(3, 8, 1), Adjacency.from_dense(weights), nodes, present)


def test_one_row_a_subject_and_region_and_one_column_a_measure():
    table = graph_measures(random_weights(), subjects=["s1", "s2", "s3"], regions=NAMES, networks=NETWORKS)
    assert list(table) == ["subject", "region", "community", *MEASURES]
    assert table["subject"].tolist() == np.repeat(["s1", "s2", "s3"], 8).tolist()
    assert table["region"].tolist() == NAMES * 3
    assert table["community"].tolist() == NETWORKS * 3
    wide = table.pivot(index="subject", columns="region", values="betweenness")
    np.testing.assert_array_equal(wide[NAMES], betweenness(random_weights()))


def test_who_was_not_measured_and_what_is_not_usable_have_no_rows():
    table = graph_measures(random_graphs(), ["strength"], regions=NAMES)
    assert list(table) == ["subject", "region", "strength"]  # nobody asked for communities
    assert table.groupby("subject").size().to_dict() == {0: 8, 2: 7}
    assert "r5" not in set(table.loc[table["subject"] == 2, "region"])


def test_graphs_of_usable_regions_equal_networkxs():
    table = graph_measures(random_graphs(), ["betweenness", "local-efficiency"], regions=NAMES)
    graph = random_graphs().to_networkx(2, NAMES)
    graph.remove_node("r5")
    rows = table[table["subject"] == 2].set_index("region")
    assert rows["betweenness"].to_dict() == pytest.approx(nx.betweenness_centrality(graph))
    assert rows["local-efficiency"].mean() == pytest.approx(nx.local_efficiency(graph))


def test_the_measures_of_a_whole_graph_are_networkxs():
    graphs = random_graphs()
    table = global_measures(graph_measures(graphs, regions=NAMES)).set_index("subject")
    assert table.loc[2, ["regions"]].tolist() == [7]
    for person in (0, 2):
        graph = graphs.to_networkx(person, NAMES)
        graph.remove_nodes_from(["r5"] if person == 2 else [])
        row, people = table.loc[person], len(graph)
        assert row["degree"] / (people - 1) == pytest.approx(nx.density(graph))
        assert row["clustering"] == pytest.approx(nx.average_clustering(graph))
        assert row["efficiency"] == pytest.approx(nx.global_efficiency(graph))
        assert row["local-efficiency"] == pytest.approx(nx.local_efficiency(graph))


def test_the_modularity_of_a_whole_graph_is_networkxs_for_given_networks():
    row = global_measures(graph_measures(random_weights(1), ["modularity"], regions=NAMES, networks=NETWORKS)).iloc[0]
    graph = nx.from_numpy_array(random_weights(1)[0].double().numpy())
    wanted = nx.community.modularity(graph, [{0, 1, 2}, {3, 4, 5}, {6, 7}])
    assert (row["communities"], row["modularity"]) == (3, pytest.approx(wanted))


def test_communities_that_are_found_are_numbered():
    table = graph_measures(random_weights(), ["participation"], networks="greedy")
    assert table["community"].min() == 0
    assert table["region"].head(2).tolist() == ["region 0", "region 1"]


def test_what_has_no_table_is_refused():
    windows = replace(random_graphs(), present=torch.ones(2, dtype=torch.bool), offsets=np.array([0, 1, 3]))
    with pytest.raises(InvalidOption, match="windows"):
        graph_measures(windows)
    with pytest.raises(NegativeWeights):
        graph_measures(-random_weights())
    with pytest.raises(ShapeMismatch, match="subjects"):
        graph_measures(random_weights(), subjects=["a"])
    with pytest.raises(ShapeMismatch, match="regions"):
        graph_measures(random_weights(), regions=["a"])
    with pytest.raises(InvalidOption, match="measures"):
        graph_measures(random_weights(), ["hubs"])
