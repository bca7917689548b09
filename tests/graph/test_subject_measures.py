from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from graphfuse.atlas import Atlas
from graphfuse.connectome.measures import communities_of, regional_measures
from graphfuse.errors import InvalidOption, MissingModality, NegativeWeights, NotFitted
from graphfuse.graph.sparsify import Threshold, TopDensity
from graphfuse.graph.subject import FunctionalGraph
from graphfuse.graph.subject_measures import GraphMeasures
from graphfuse.signal import Signal

NAMES = ("degree", "weighted-clustering", "betweenness", "participation")


def series(n: int = 12, seed: int = 0, atlas: Atlas | None = None) -> Signal:
    """Time series of 10 regions; the third person was not measured, region 4 of the first is constant."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(10, 10))
    arrays = [(rng.normal(size=(50, 10)) @ (mixing + rng.normal(size=(10, 10)))).astype(np.float32) for _ in range(n)]
    arrays[0][:, 4] = 1
    arrays[2] = None
    return Signal.pack("timeseries", arrays, atlas)


def some_atlas(networks: list[str]) -> Atlas:
    index = pd.Index([f"r{i}" for i in range(10)], name="region")
    return Atlas("ten", pd.DataFrame({"network": networks, "x": 1.0, "y": 2.0, "z": 3.0}, index=index))


def test_vectors_are_the_measures_standardised_over_the_training_subjects():
    train, test = series(), series(5, seed=1)
    view = GraphMeasures(NAMES, sparsify=TopDensity(0.3)).fit(train)
    values = []
    for signal in (train, test):
        graphs = FunctionalGraph(sparsify=TopDensity(0.3)).fit(train).transform(signal)
        weights, nodes = graphs.adjacency.to_dense()[graphs.present], graphs.nodes[graphs.present]
        x = regional_measures(weights, NAMES, nodes, communities_of("louvain", weights, nodes))
        values.append(torch.where(nodes[..., None], x, torch.nan).flatten(1).numpy())
    deviation = np.nanstd(values[0], axis=0)
    wanted = np.nan_to_num((values[1] - np.nanmean(values[0], axis=0)) / np.where(deviation > 0, deviation, np.inf))
    got = view.transform(test)
    np.testing.assert_allclose(got.x[got.present], wanted.clip(-10, 10), atol=1e-5)
    assert got.present.tolist() == [True, True, False, True, True]


def test_who_was_not_measured_and_what_is_not_usable_is_the_training_mean():
    view = GraphMeasures(NAMES)
    x = view.fit_transform(series()).x.view(12, 10, 4)
    assert not x[2].any()
    assert not x[0, 4].any()
    known = torch.ones(12, 10, dtype=torch.bool)
    known[2], known[0, 4] = False, False
    mean = torch.where(known[..., None], x, 0).sum(0) / known.sum(0)[:, None]
    torch.testing.assert_close(mean, torch.zeros(10, 4), atol=1e-5, rtol=0)
    assert x[1].any()


def test_fitting_and_transforming_at_once_gives_the_same():
    at_once = GraphMeasures(NAMES).fit_transform(series())
    assert torch.equal(GraphMeasures(NAMES).fit(series()).transform(series()).x, at_once.x)


def test_a_subjects_vector_depends_on_nobody_else_who_is_transformed():
    view = GraphMeasures(NAMES).fit(series())
    test = series(6, seed=1)
    assert torch.equal(view.transform(test).x[3:4], view.transform(test[[3]]).x)


def test_a_measure_that_does_not_vary_in_training_says_nothing_later():
    train = series()[3:]  # all their regions are usable, so each is joined to each
    view = GraphMeasures(("degree",), sparsify=TopDensity(1.0)).fit(train)
    assert not view.transform(series(5, seed=1)).x.any()


def test_the_networks_of_the_atlas_are_the_communities_unless_others_are_named():
    networks = ["A"] * 5 + ["B"] * 4 + [""]
    assert GraphMeasures(NAMES).fit(series(atlas=some_atlas(networks))).networks_ == tuple(networks)
    assert GraphMeasures(NAMES).fit(series(atlas=some_atlas(["A"] * 9 + [""]))).networks_ == "louvain"
    assert GraphMeasures(NAMES, networks="greedy").fit(series(atlas=some_atlas(networks))).networks_ == "greedy"
    a, b = (GraphMeasures(("participation",), networks=given).fit(series()) for given in (networks, "louvain"))
    assert not torch.equal(a.mean_, b.mean_)


def test_ready_matrices_are_measured_too():
    rng = np.random.default_rng(0)
    upper = np.triu(rng.random((9, 10, 10)), 1)
    signal = Signal.pack("connectivity", list(upper + upper.transpose(0, 2, 1)))
    rows = GraphMeasures(("strength", "modularity")).fit(signal).transform(signal)
    assert rows.x.shape == (9, 20)
    assert rows.x.std(0).max() > 0.5


def test_nobody_measured_gives_zeros_after_fitting_and_an_error_before():
    nobody = series()[[2]]
    view = GraphMeasures(NAMES).fit(series())
    rows = view.transform(nobody)
    assert rows.x.shape == (1, 40)
    assert not rows.x.any()
    with pytest.raises(MissingModality):
        GraphMeasures(NAMES).fit(nobody)


def test_it_is_cloned_with_its_parts():
    view = clone(GraphMeasures(NAMES, sparsify=Threshold(0.4)).fit(series()))
    assert view.get_params()["sparsify__value"] == 0.4
    with pytest.raises(NotFitted):
        view.transform(series())


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(InvalidOption, match="measures"):
        GraphMeasures(("hubs",)).fit(series())
    with pytest.raises(NegativeWeights, match="Sparsify"):
        GraphMeasures(NAMES, sparsify=TopDensity(1.0, signed="keep")).fit(series())
    with pytest.raises(InvalidOption, match="timeseries"):
        GraphMeasures(NAMES).fit(Signal.pack("measures", [np.ones((10, 2))] * 3))
