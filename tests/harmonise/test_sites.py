from __future__ import annotations

import numpy as np
import pytest
from scipy.stats.contingency import association

from graphfuse.harmonise.sites import cramers_v, number_sites


@pytest.mark.parametrize("share", [0.5, 0.7, 0.8, 1.0])
def test_cramers_v_of_many_people_is_scipys(share):
    counts = (1e5 * np.array([[share, 1 - share], [1 - share, share]])).astype(int)
    assert cramers_v(counts) == pytest.approx(association(counts, "cramer"), abs=0.01)


def test_cramers_v_of_many_small_sites_is_not_large_by_chance():
    rng = np.random.default_rng(0)
    corrected, plain = [], []
    for _ in range(50):
        counts = np.zeros((20, 2), int)
        np.add.at(counts, (np.arange(80) % 20, rng.integers(0, 2, 80)), 1)
        corrected.append(cramers_v(counts))
        plain.append(association(counts, "cramer"))
    assert np.mean(corrected) < 0.12
    assert np.mean(plain) > 0.45


def test_cramers_v_of_one_site_or_one_class_is_nought():
    assert cramers_v(np.array([[3, 4]])) == 0
    assert cramers_v(np.array([[3], [4]])) == 0
    assert cramers_v(np.array([[1, 0], [0, 1]])) <= 1


def test_codes_are_dense_and_sorted_by_name():
    names = np.array(["c", "a", "a", "c", "b", "d", "d"])
    assert number_sites(names, 2, "pool") == {"a": 0, "b": -1, "c": 1, "d": 2}
    assert number_sites(names, 3, "pool") == {"a": 0, "b": 0, "c": 0, "d": 0}
    assert number_sites(names, 9, "pool") == dict.fromkeys("abcd", -1)
