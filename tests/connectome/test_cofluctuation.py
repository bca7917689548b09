from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import zscore

from graphfuse.connectome.cofluctuation import edge_amplitude, edge_series, high_amplitude_frames
from graphfuse.connectome.functional import correlation
from graphfuse.connectome.vectorise import upper_triangle
from graphfuse.errors import InvalidOption, MemoryBudget, NonFinite, ShapeMismatch, UnusableRegion


@pytest.fixture
def series():
    return np.random.default_rng(0).normal(size=(3, 30, 6)) * 7 + 100


def test_equals_a_loop(series):
    got = edge_series(series, dtype=torch.float64)
    for edges, x in zip(got, series, strict=True):
        z = zscore(x)
        expected = np.stack([z[:, i] * z[:, j] for i in range(6) for j in range(i + 1, 6)], axis=1)
        np.testing.assert_allclose(edges, expected, rtol=1e-10, atol=1e-12)


def test_the_mean_over_frames_is_the_correlation(series):
    expected = upper_triangle(correlation(series, dtype=torch.float64))
    torch.testing.assert_close(edge_series(series, dtype=torch.float64).mean(1), expected)


def test_the_amplitude_is_that_of_the_edges(series):
    expected = edge_series(series, dtype=torch.float64).square().sum(2).sqrt()
    torch.testing.assert_close(edge_amplitude(series, dtype=torch.float64), expected)
    assert edge_amplitude(series).dtype == torch.float32


def test_one_subject_may_come_alone(series):
    assert torch.equal(edge_series(series[1]), edge_series(series)[1:2])


def test_edges_of_unusable_regions_are_zero(series):
    usable = np.ones((3, 6), bool)
    usable[1, 5] = False
    series[1, :, 5] = np.nan
    edges = edge_series(series, usable=usable)
    row, column = np.triu_indices(6, 1)
    assert (edges[1][:, (row == 5) | (column == 5)] == 0).all()
    expected = edge_amplitude(series[1][:, :5])
    torch.testing.assert_close(edge_amplitude(series, usable=usable)[1:2], expected)


def test_the_frames_of_the_largest_amplitude_are_marked():
    amplitude = torch.tensor([[1.0, 5, 3, 5, 2], [0, 0, 0, 0, 0]])
    assert high_amplitude_frames(amplitude, 0.2).nonzero().tolist() == [[0, 1], [1, 0]]
    assert high_amplitude_frames(amplitude, 0.5)[0].tolist() == [False, True, True, True, False]
    assert high_amplitude_frames(amplitude, 1.0).all()
    assert high_amplitude_frames(torch.rand(1, 30), 0.1).sum() == 3


def test_errors_are_named(series, monkeypatch):
    with pytest.raises(ShapeMismatch, match="series"):
        edge_series(series[None])
    with pytest.raises(InvalidOption, match="share"):
        high_amplitude_frames(torch.rand(2, 5), 0)
    with pytest.raises(NonFinite, match="amplitude"):
        high_amplitude_frames(torch.tensor([[1.0, torch.nan]]))
    monkeypatch.setenv("GRAPHFUSE_MEMORY_GB", "1e-7")
    with pytest.raises(MemoryBudget, match="edge_amplitude"):
        edge_series(series)
    series[0, :, 2] = 1
    with pytest.raises(UnusableRegion, match="usable"):
        edge_amplitude(series)
