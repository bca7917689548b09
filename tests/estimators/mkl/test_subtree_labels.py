from __future__ import annotations

from collections import Counter

import networkx as nx
import numpy as np

from graphfuse.estimators.mkl.similarity import common_labels
from graphfuse.estimators.mkl.subtree_labels import SubtreeLabels, subtree_labels


def graphs(seeds=range(5), n=9) -> list[nx.Graph]:
    return [nx.gnp_random_graph(n, 0.3, seed=seed) for seed in seeds]


def stacked(some: list[nx.Graph]) -> np.ndarray:
    return np.stack([nx.to_numpy_array(graph, nodelist=sorted(graph)) for graph in some]) > 0


def histogram(graph: nx.Graph, rounds: int) -> Counter:
    """Labels as nested tuples, by the definition."""
    labels = {node: (0, int(degree).bit_length()) for node, degree in graph.degree}
    seen = Counter(labels.values())
    for turn in range(1, rounds + 1):
        labels = {v: (turn, labels[v], tuple(sorted(labels[u] for u in graph[v]))) for v in graph}
        seen.update(labels.values())
    return seen


def test_the_kernel_is_that_of_labels_kept_as_nested_tuples():
    some = graphs()
    labels = subtree_labels(stacked(some), 3).reshape(len(some), -1)
    counts = [histogram(graph, 3) for graph in some]
    expected = [[sum(a[label] * b[label] for label in a) for b in counts] for a in counts]
    np.testing.assert_array_equal(common_labels(labels, labels), expected)


def test_the_order_of_the_regions_does_not_matter():
    edges = stacked(graphs([3]))
    order = np.random.default_rng(0).permutation(9)
    moved = subtree_labels(edges[:, order][:, :, order], 3)
    np.testing.assert_array_equal(moved, subtree_labels(edges, 3)[:, :, order])


def test_labels_of_another_depth_are_never_the_same():
    ring = stacked([nx.cycle_graph(6)])
    labels = subtree_labels(ring, 4)[0]
    assert (labels == labels[:, :1]).all()  # all regions of a ring are alike
    assert len(np.unique(labels)) == 5


def test_people_who_were_not_measured_and_unusable_regions_have_no_labels(cohort):
    source = SubtreeLabels("fmri", density=0.05, rounds=1)
    labels = source.fit_transform(cohort[:4])
    usable = cohort[:4].signals["fmri"].usable
    assert labels.shape == (4, 2 * usable.shape[1])
    np.testing.assert_array_equal(labels != 0, np.hstack([usable, usable]))
    np.testing.assert_array_equal(source.transform(cohort[[2]]), labels[[2]])
