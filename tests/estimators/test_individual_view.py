"""Vectors of individual networks equal a loop, and nobody but the training controls makes the reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphfuse.errors import ClassTooSmall, InvalidOption, UnusableRegion
from graphfuse.estimators.individual_view import IndividualNetworkView
from graphfuse.signal import Signal

N, R = 24, 5
CODES = np.arange(N) % 2


def values(m: int = 2, n: int = N, r: int = R) -> np.ndarray:
    return np.random.default_rng(0).normal(2.0, 1.0, (n, r, m)).astype(np.float32)


def measures(x: np.ndarray) -> Signal:
    return Signal.pack("measures", list(x), columns=tuple("abcdefg"[: x.shape[2]]))


def _networks(f: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Upper triangles (N, R (R + 1) / 2) of the networks of one measure f (N, R), the long way."""
    own = f[codes == 0].astype(np.float64)
    mean, spread = own.mean(0), own.std(0, ddof=1)

    def alike(person):
        gap = np.abs((person - mean)[:, None] - (person - mean)[None])
        return 1 - np.tanh(gap / np.sqrt((spread[:, None] ** 2 + spread[None] ** 2) / 2))

    reference = np.mean([alike(person) for person in own], 0)
    return np.array([(alike(person) * reference)[np.triu_indices(f.shape[1])] for person in f])


def test_vectors_are_the_standardised_networks_of_all_measures():
    x = values()
    found = IndividualNetworkView().fit(measures(x), CODES).transform(measures(x)).x.numpy()
    raw = np.concatenate([_networks(x[..., m], CODES) for m in range(2)], 1)
    varies = raw.std(0) > 1e-6
    expected = np.where(varies, (raw - raw.mean(0)) / np.where(varies, raw.std(0), 1), 0)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (varies.sum(), found.shape) == (2 * 10, (N, 2 * 15))  # the diagonal is 1 in everybody


def test_one_column_and_a_vector_are_one_network():
    x = values()
    of_column = IndividualNetworkView(column="b").fit(measures(x), CODES).transform(measures(x)).x
    vector = Signal.pack("vector", list(x[..., 1]), columns=tuple("vwxyz"))
    of_vector = IndividualNetworkView().fit(vector, CODES).transform(vector).x
    assert np.array_equal(of_column, of_vector)


def test_116_regions_have_the_published_6786_entries():
    x = values(1, r=116)
    view = IndividualNetworkView().fit(measures(x), CODES)
    assert view.transform(measures(x[:2])).x.shape == (2, 6786)


def test_patients_do_not_enter_the_reference():
    x, changed = values(), values()
    changed[CODES == 1] *= 3
    view, other = (IndividualNetworkView().fit(measures(each), CODES) for each in (x, changed))
    for one, two in zip(view.networks_, other.networks_, strict=True):
        assert np.array_equal(one.mean_, two.mean_)
        assert np.array_equal(one.spread_, two.spread_)
        assert np.array_equal(one.reference_, two.reference_)
    assert view.uses_y


def test_the_control_code_says_who_the_controls_are():
    x = values()
    flipped = IndividualNetworkView(control=1).fit(measures(x), 1 - CODES)
    assert np.array_equal(flipped.mean_, IndividualNetworkView().fit(measures(x), CODES).mean_)
    assert not np.array_equal(flipped.mean_, IndividualNetworkView(control=1).fit(measures(x), CODES).mean_)


def test_each_person_is_mapped_alone():
    x = values()
    view = IndividualNetworkView().fit(measures(x), CODES)
    assert np.array_equal(view.transform(measures(x[[3]])).x[0], view.transform(measures(x)).x[3])


def test_values_of_regions_that_cannot_be_used_change_no_bit():
    x = values()
    bad = x.copy()
    bad[[0, 1], 2] = np.nan  # a control and a patient
    signal = measures(bad)
    other = signal.data.copy()
    other[[0, 1], 2] = 99.0
    signal, other = signal, replace(signal, data=other)
    answers = [IndividualNetworkView().fit(each, CODES).transform(each).x for each in (signal, other)]
    assert np.array_equal(*answers)
    row, column = np.triu_indices(R)
    touched = np.tile((row == 2) | (column == 2), 2)
    assert not answers[0][0, touched].any()
    assert answers[0][2, touched].any()


def test_a_region_without_spread_among_the_controls_is_left_out():
    x = values(1)
    x[CODES == 0, 1] = 0.5
    assert IndividualNetworkView().fit(measures(x), CODES).transform(measures(x)).x.shape == (N, 10)
    x[CODES == 0, 1:] = 0.5
    with pytest.raises(UnusableRegion, match="1 regions vary"):
        IndividualNetworkView().fit(measures(x), CODES)


def test_who_lacks_the_modality_gets_zeros_and_changes_nothing():
    x = values()
    lacking = Signal.pack("measures", [*x, None], columns=("a", "b"))
    view = IndividualNetworkView().fit(lacking, np.append(CODES, 0))
    rows = view.transform(lacking)
    assert not rows.x[-1].any()
    assert rows.present.tolist() == [True] * N + [False]
    assert np.array_equal(rows.x[:-1], IndividualNetworkView().fit(measures(x), CODES).transform(measures(x)).x)
    assert not view.transform(lacking[[N]]).x.any()


def test_too_few_controls_and_unknown_measures_are_refused():
    with pytest.raises(ClassTooSmall, match="got 0"):
        IndividualNetworkView(control=5).fit(measures(values()), CODES)
    with pytest.raises(InvalidOption, match="column"):
        IndividualNetworkView(column="volume").fit(measures(values()), CODES)
