from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import ttest_ind

from graphfuse.connectome.network_statistic import network_based_statistic
from graphfuse.errors import InvalidOption, NotFitted
from graphfuse.estimators.features import EdgeVector
from graphfuse.estimators.network_edges import NetworkEdges
from graphfuse.signal import Signal

CODES = np.arange(40) % 2
PLANTED = [(0, 1), (1, 2), (2, 5)]


def matrices(effect: float = 2.0, seed: int = 0) -> Signal:
    noise = np.random.default_rng(seed).normal(size=(40, 8, 8))
    for a, b in PLANTED:
        noise[:, a, b] += effect * CODES
    upper = np.triu(noise, 1)
    return Signal.pack("connectivity", list(upper + upper.transpose(0, 2, 1)))


def test_the_edges_of_the_largest_component_are_kept_with_their_t():
    signal = matrices()
    view = NetworkEdges(threshold=3.0).fit(signal, CODES)
    row, column = (ends[view.kept_] for ends in np.triu_indices(8, 1))
    assert list(zip(row, column, strict=True)) == PLANTED
    stack = signal.stack()
    wanted = ttest_ind(stack[CODES == 1], stack[CODES == 0]).statistic[row, column]
    np.testing.assert_allclose(view.t_, wanted, rtol=1e-4)


def test_they_are_the_first_component_of_the_network_based_statistic():
    signal = matrices(effect=1.0, seed=2)
    view = NetworkEdges(threshold=1.5).fit(signal, CODES)
    found = network_based_statistic(signal.stack(), CODES, 1.5, permutations=1)
    assert len(view.kept_) == found.components["edges"].iloc[0]


def test_vectors_are_the_edges_standardised_over_the_training_subjects():
    signal = matrices()
    rows = NetworkEdges().fit(signal, CODES).transform(signal)
    assert rows.x.shape == (40, 3)
    torch.testing.assert_close(rows.x.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.x.std(0, correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_no_edge_beyond_the_threshold_leaves_the_strongest():
    signal = matrices()
    view = NetworkEdges(threshold=1000.0).fit(signal, CODES)
    stack = np.abs(ttest_ind(signal.stack()[CODES == 1], signal.stack()[CODES == 0]).statistic)
    assert view.kept_.tolist() == [int(np.nanargmax(stack[np.triu_indices(8, 1)]))]


def test_other_peoples_labels_are_never_needed_and_their_data_change_nothing(train, test):
    signal, codes = train.signals["fmri"], np.arange(len(train)) % 2
    view = NetworkEdges(threshold=2.0).fit(signal, codes)
    rows = view.transform(test.signals["fmri"])
    alone = torch.cat([view.transform(test.signals["fmri"][[i]]).x for i in range(len(test))])
    torch.testing.assert_close(rows.x, alone)
    edges = EdgeVector("correlation").fit(signal).transform(test.signals["fmri"])[:, view.kept_]
    np.testing.assert_allclose(rows.x, edges / view.scale_, atol=1e-6)


def test_what_cannot_be_compared_is_refused():
    assert NetworkEdges().uses_y
    with pytest.raises(InvalidOption, match="two classes"):
        NetworkEdges().fit(matrices(), np.arange(40) % 3)
    with pytest.raises(InvalidOption, match="threshold"):
        NetworkEdges(threshold=0).fit(matrices(), CODES)
    with pytest.raises(InvalidOption, match="kind"):
        NetworkEdges("tangent").fit(Signal.pack("timeseries", list(matrices().stack())), CODES)
    with pytest.raises(InvalidOption, match="connectivity"):
        NetworkEdges().fit(Signal.pack("vector", list(np.ones((40, 3)))), CODES)
    with pytest.raises(NotFitted):
        NetworkEdges().transform(matrices())
