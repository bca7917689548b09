from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from graphfuse.errors import ClassTooSmall, InvalidOption, SingleClassFold
from graphfuse.estimators.dealing import deal, inner_folds, inner_split


def test_deal_puts_every_group_of_a_class_and_site_side_by_side():
    rng = np.random.default_rng(0)
    y, sites = rng.integers(0, 2, 90), rng.choice(list("abc"), 90)
    place = deal(y, np.arange(90), sites, rng)
    assert np.array_equal(np.sort(place), np.arange(90))
    row = np.argsort(place)
    strata = [f"{y[i]}{sites[i]}" for i in row]
    assert sum(a != b for a, b in pairwise(strata)) == 5  # six strata, five borders


@pytest.mark.parametrize("fraction", [0.15, 0.2, 0.5])
def test_inner_split_is_stratified_grouped_and_of_the_size_asked(fraction):
    y = np.r_[np.zeros(140, int), np.ones(60, int)]
    train, validation = inner_split(y, None, fraction, seed=3)
    assert np.array_equal(np.sort(np.r_[train, validation]), np.arange(200))
    assert abs(len(validation) - 200 * fraction) <= 1
    assert abs((y[validation] == 1).sum() - 60 * fraction) <= 1
    groups = np.random.default_rng(0).integers(0, 120, 200)
    train, validation = inner_split(y, groups, fraction)
    assert not set(groups[train]) & set(groups[validation])


@pytest.mark.parametrize("seed", range(20))
def test_a_class_of_two_is_never_taken_from_training(seed):
    y = np.r_[np.zeros(5, int), np.ones(2, int)]
    train, validation = inner_split(y, None, 0.15, seed)
    assert set(y[train]) == {0, 1}
    assert len(validation) > 0


@pytest.mark.parametrize("y", [[0, 0, 0, 1], [0, 1]])
def test_a_class_of_one_is_refused_by_name_whatever_the_seed(y):
    for seed in range(10):
        with pytest.raises(ClassTooSmall, match="smallest class has 1"):
            inner_split(np.array(y), None, 0.15, seed)
        with pytest.raises(ClassTooSmall):
            inner_folds(np.array(y), None, 5, seed)


def test_members_of_one_family_count_once():
    with pytest.raises(ClassTooSmall):
        inner_split(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 3, 3, 3]), 0.3)


def test_families_of_both_classes_that_cannot_be_parted_are_refused():
    y, groups = np.array([0, 1, 0, 1, 1]), np.array([0, 0, 0, 1, 1])
    with pytest.raises((SingleClassFold, ClassTooSmall)):
        inner_folds(y, groups, 2)


def test_inner_split_refuses_an_impossible_fraction():
    with pytest.raises(InvalidOption, match="fraction"):
        inner_split(np.array([0, 1, 0, 1]), None, 0.9)


def test_inner_folds_are_stratified_grouped_and_as_many_as_the_smallest_class_allows():
    y = np.r_[np.zeros(30, int), np.ones(3, int)]
    fold_of = inner_folds(y, None, 5)
    assert set(fold_of) == {0, 1, 2}
    assert sorted(fold_of[y == 1]) == [0, 1, 2]
    groups = np.arange(33) // 2
    fold_of = inner_folds(y, groups, 5)
    assert all(len(set(fold_of[groups == g])) == 1 for g in groups)
