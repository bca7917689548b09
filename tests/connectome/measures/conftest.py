"""Random brain-like graphs, with an empty one, one in pieces, and regions that are not usable."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def weights() -> torch.Tensor:
    """Six graphs of twelve regions from sparse to full, (6, 12, 12); the fifth in two pieces, the last empty."""
    rng = np.random.default_rng(5)
    graphs = rng.uniform(0.1, 2, size=(6, 12, 12)) * (rng.random((6, 12, 12)) < np.linspace(0.15, 1, 6)[:, None, None])
    graphs[4, :5, 5:] = 0
    graphs[5] = 0
    upper = np.triu(graphs, 1)
    return torch.from_numpy(upper + upper.transpose(0, 2, 1))


@pytest.fixture(scope="session")
def nodes() -> torch.Tensor:
    """Regions 3 and 7 of the second graph and all but two of the third are not usable."""
    mask = torch.ones(6, 12, dtype=torch.bool)
    mask[1, [3, 7]] = False
    mask[2, 2:] = False
    return mask


@pytest.fixture(scope="session")
def networkx_graphs(weights, nodes) -> list[nx.Graph]:
    """The same graphs of usable regions in networkx, with a length 1 / weight on each edge."""
    graphs = []
    for weight, usable in zip(weights.numpy(), nodes.numpy(), strict=True):
        graph = nx.Graph()
        graph.add_nodes_from(np.flatnonzero(usable).tolist())
        for a, b in zip(*np.triu(weight).nonzero(), strict=True):
            if usable[a] and usable[b]:
                graph.add_edge(int(a), int(b), weight=weight[a, b], length=1 / weight[a, b])
        graphs.append(graph)
    return graphs


@pytest.fixture(scope="session")
def by_region(networkx_graphs):
    """Call a function of a networkx graph, which gives a value a node, on each graph: (6, 12), 0 where unusable."""

    def table(function) -> np.ndarray:
        values = np.zeros((6, 12))
        for row, graph in zip(values, networkx_graphs, strict=True):
            for region, value in dict(function(graph)).items():
                row[region] = value
        return values

    return table
