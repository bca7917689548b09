from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from graphfuse.errors import AtlasMismatch, InvalidOption, MissingModality, NotFitted, ShortSeries
from graphfuse.graph.dynamic import DynamicGraph
from graphfuse.graph.sparsify import TopDensity
from graphfuse.signal import Signal

R = 6
LENGTHS = (60, 0, 90, 75)  # the second person was not measured


def signal(lengths=LENGTHS, t_r=2.0, seed=0) -> Signal:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(t, R)).astype(np.float32) if t else None for t in lengths]
    return Signal.pack("timeseries", arrays, t_r=np.full(len(lengths), t_r))


@pytest.mark.parametrize("windows", [1, 4, 5, 6, 7])
def test_everybody_has_so_many_windows(windows):
    graphs = DynamicGraph(windows=windows).fit(signal()).transform(signal())
    assert np.diff(graphs.offsets).tolist() == [windows, 1, windows, windows]
    assert graphs.present.tolist() == [True, False, True, True]


@pytest.mark.parametrize(("windows", "length"), [(5, 80), (6, 69), (7, 60)])
def test_windows_of_a_published_scan_have_the_length_of_the_rule(windows, length):
    lengths, steps = DynamicGraph(windows=windows)._lengths([np.zeros((240, R))], signal((240,)))
    assert lengths.tolist() == [length]
    assert length + steps[0] * (windows - 1) <= 240


def test_seconds_are_frames_of_each_site():
    one, two = signal((90, 90)), replace(signal((90, 90)), t_r=np.array([1.0, 3.0]))
    view = DynamicGraph(window=60.0, step=30.0)
    assert np.diff(view.fit(one).transform(one).offsets).tolist() == [5, 5]  # 30 frames, every 15
    assert np.diff(view.fit(two).transform(two).offsets).tolist() == [2, 8]  # 60 every 30; 20 every 10


def test_edges_are_the_strongest_correlations_of_the_window():
    data = signal((40,))
    graphs = DynamicGraph(windows=2, overlap=0.0, sparsify=TopDensity(0.2)).fit(data).transform(data)
    second = np.arctanh(np.abs(np.corrcoef(data[0][20:].T)) * (1 - np.eye(R)))
    largest = np.sort(second[np.triu_indices(R, 1)])[-3:]
    weight = graphs.adjacency.to_dense()[1].numpy()
    np.testing.assert_allclose(np.sort(weight[np.triu_indices(R, 1)])[-3:], largest, rtol=1e-4)


def test_node_series_are_the_windows_own():
    data = signal((40,))
    x = DynamicGraph(windows=2, overlap=0.0, nodes="series", frames=20).fit(data).transform(data).x
    first = data[0][:20]
    np.testing.assert_allclose(x[0].numpy(), ((first - first.mean(0)) / first.std(0)).T, atol=1e-5)


def test_profiles_have_mean_zero_and_deviation_one_over_training_windows():
    data = signal((200, 200, 200))
    x = DynamicGraph(windows=8).fit(data).transform(data).x
    off = ~torch.eye(R, dtype=torch.bool)
    assert x.mean(0)[off].abs().max() < 1e-4
    torch.testing.assert_close(x.std(0, correction=0)[off], torch.ones(R * R - R), atol=1e-3, rtol=0)


@pytest.mark.parametrize("nodes", ["profile", "series", "strength"])
def test_nobody_depends_on_the_others(nodes):
    data = signal()
    view = DynamicGraph(windows=3, nodes=nodes).fit(data)
    whole, one = view.transform(data)[[2]], view.transform(data[[2]])
    torch.testing.assert_close(one.x, whole.x)
    torch.testing.assert_close(one.adjacency.to_dense(), whole.adjacency.to_dense())


def test_nobody_measured_gives_windows_of_zeros():
    view = DynamicGraph(windows=3).fit(signal())
    nobody = replace(signal(), length=np.zeros(4, int))
    graphs = view.transform(nobody)
    assert len(graphs) == 4
    assert not graphs.x.any()


def test_errors_at_the_door():
    data = signal()
    with pytest.raises(InvalidOption, match="windows=, or window= and step="):
        DynamicGraph().fit(data)
    with pytest.raises(InvalidOption, match="repetition time"):
        DynamicGraph(window=30.0, step=10.0).fit(replace(data, t_r=None))
    with pytest.raises(ShortSeries, match="windows need longer series"):
        DynamicGraph(windows=70).fit(data)
    with pytest.raises(MissingModality):
        DynamicGraph(windows=2).fit(replace(data, length=np.zeros(4, int)))
    with pytest.raises(NotFitted):
        DynamicGraph(windows=2).transform(data)
    with pytest.raises(AtlasMismatch, match="6 regions"):
        DynamicGraph(windows=2).fit(data).transform(
            Signal.pack("timeseries", [np.random.default_rng(0).normal(size=(50, 5))])
        )
    with pytest.raises(InvalidOption, match="timeseries"):
        DynamicGraph(windows=2).fit(Signal.pack("vector", [np.zeros(3)]))
