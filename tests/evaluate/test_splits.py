from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GroupKFold, KFold, cross_val_score

from graphfuse.cohort import Cohort
from graphfuse.errors import ClassTooSmall, InvalidOption, LeakageError, SingleClassFold
from graphfuse.evaluate.splits import GivenSplits, Splits


def people(y, site=None, family=None):
    n = len(y)
    table = pd.DataFrame({"dx": np.array(["control", "autism"])[np.asarray(y)]}, index=[f"s{i}" for i in range(n)])
    table["site"] = "a" if site is None else site
    table["family"] = [f"f{i}" for i in range(n)] if family is None else family
    group = None if family is None else "family"
    return Cohort(table, target="dx", classes=("control", "autism"), site="site", group=group)


def mixed(n=230, seed=0):
    rng = np.random.default_rng(seed)
    site = rng.choice(list("abcdefg"), n, p=[0.4, 0.2, 0.15, 0.1, 0.1, 0.03, 0.02])
    return people(rng.integers(0, 2, n), site, rng.integers(0, 170, n).astype(str))


def test_every_subject_is_tested_once_a_repeat_and_never_trained_on():
    cohort, splits = mixed(), Splits(folds=5, repeats=3)
    pairs = list(splits.split(cohort))
    assert len(pairs) == splits.get_n_splits(cohort) == 15
    for train, test in pairs:
        assert len(np.intersect1d(train, test)) == 0
        assert len(train) + len(test) == len(cohort)
    for repeat in range(3):
        tested = np.concatenate([test for _, test in pairs[5 * repeat : 5 * repeat + 5]])
        assert np.array_equal(np.sort(tested), np.arange(len(cohort)))
    assert not np.array_equal(pairs[0][1], pairs[5][1])


@pytest.mark.parametrize("seed", range(5))
def test_no_family_is_parted(seed):
    cohort = mixed(seed=seed)
    for train, test in Splits(folds=10, random_state=seed).split(cohort):
        assert not set(cohort.groups[train]) & set(cohort.groups[test])


@pytest.mark.parametrize("seed", range(5))
def test_class_and_site_are_spread_to_one_subject_whatever_the_order_of_the_table(seed):
    rng = np.random.default_rng(seed)
    y, site = (
        np.sort(rng.integers(0, 2, 173)),
        np.array(["x", "y", "z", "w"])[rng.choice(4, 173, p=[0.6, 0.2, 0.15, 0.05])],
    )
    counts = []
    for _, test in Splits(folds=10, random_state=seed).split(people(y, site)):
        counts.append([np.sum((y[test] == c) & (site[test] == s)) for c in (0, 1) for s in "xyzw"])
    counts = np.array(counts)
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(1)) <= 1
    assert np.ptp(counts[:, :4].sum(1)) <= 1


def test_sibling_pairs_of_two_classes_are_spread_too():
    y = np.tile([0, 1], 40)
    family = np.concatenate([np.repeat(np.arange(20), 2), np.arange(20, 60)]).astype(str)  # 20 discordant pairs
    pairs = [
        np.sum(np.bincount(pd.factorize(family[test])[0]) == 2) for _, test in Splits(10).split(people(y, None, family))
    ]
    assert pairs == [2] * 10


def test_splits_depend_on_the_seed_alone():
    cohort = mixed()
    first, again, other = (Splits(folds=4, random_state=s).table(cohort) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_table_names_the_role_of_every_subject():
    cohort = mixed()
    table = Splits(folds=4, repeats=2).table(cohort)
    assert len(table) == 8 * len(cohort)
    assert (table[table["role"] == "test"].groupby(["repeat", "subject"]).size() == 1).all()
    (_, test), *_ = Splits(folds=4, repeats=2).split(cohort)
    named = table.query("repeat == 0 and fold == 0 and role == 'test'")["subject"]
    assert set(named) == set(cohort.subjects[test])


def test_labels_and_groups_given_win_over_the_cohort():
    cohort = mixed()
    y = np.arange(len(cohort)) % 2
    for _, test in Splits(folds=5).split(cohort.blind(), y, groups=np.arange(len(cohort))):
        assert abs(int((y[test] == 1).sum()) - int((y[test] == 0).sum())) <= 1


def test_leave_site_out_holds_one_site_out_at_a_time():
    site = np.repeat(["b", "a", "c"], 10)
    cohort, splits = people(np.arange(30) % 2, site), Splits(leave_site_out=True)
    assert splits.get_n_splits(cohort) == 3
    assert [set(site[test]) for _, test in splits.split(cohort)] == [{"a"}, {"b"}, {"c"}]


def test_leave_site_out_allows_a_test_site_of_one_class_but_no_such_training():
    y = np.r_[np.arange(10) % 2, np.zeros(10, int)]
    site = np.repeat(["a", "b"], 10)
    with pytest.raises(SingleClassFold, match="at least two classes"):
        list(Splits(leave_site_out=True).split(people(y, site)))
    three = people(np.r_[y, np.arange(10) % 2], np.r_[site, np.repeat("c", 10)])
    assert len(list(Splits(leave_site_out=True).split(three))) == 3


def test_leave_site_out_refuses_a_person_at_two_sites():
    family = np.arange(30).astype(str)
    family[0] = family[29]
    with pytest.raises(LeakageError, match="1 persons or families"):
        list(Splits(leave_site_out=True).split(people(np.arange(30) % 2, np.repeat(["a", "b", "c"], 10), family)))


def test_small_classes_are_counted_in_groups():
    y = np.r_[np.zeros(50, int), np.ones(12, int)]
    assert len(list(Splits(folds=10).split(people(y)))) == 10
    family = np.r_[np.arange(50), np.repeat(np.arange(50, 56), 2)].astype(str)
    with pytest.raises(ClassTooSmall, match=r"'autism' has 6.*folds=6"):
        list(Splits(folds=10).split(people(y, None, family)))


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"repeats": 0}, {"by": "age"}, {"leave_site_out": True, "repeats": 2}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(InvalidOption):
        Splits(**wrong)


def test_leave_site_out_needs_sites():
    cohort = people(np.arange(20) % 2)
    with pytest.raises(InvalidOption, match="at least two sites"):
        list(Splits(leave_site_out=True).split(cohort))
    with pytest.raises(InvalidOption, match="get_n_splits"):
        Splits(leave_site_out=True).get_n_splits()


def test_sklearn_takes_it_as_cv():
    cohort = mixed()
    splits = clone(Splits(folds=4), safe=False)
    scores = cross_val_score(DummyClassifier(), cohort, cohort.y, cv=splits)
    assert scores.shape == (4,)


def test_splits_of_another_splitter_are_taken_when_nobody_is_parted():
    cohort = mixed()
    given = GivenSplits.of(GroupKFold(4), cohort)
    assert (given.folds, given.repeats, given.get_n_splits()) == (4, 1, 4)
    assert [t.tolist() for t, _ in given.split(cohort)] == [t.tolist() for t, _ in given.pairs]
    assert len(given.table(cohort)) == 4 * len(cohort)
    assert repr(given) == repr(GivenSplits.of(GroupKFold(4), cohort))
    assert repr(given) != repr(GivenSplits.of(GroupKFold(4, shuffle=True, random_state=1), cohort))
    with pytest.raises(LeakageError, match="must stay on one side"):
        GivenSplits.of(KFold(4, shuffle=True, random_state=0), cohort)
    with pytest.raises(SingleClassFold):
        GivenSplits.of([(np.flatnonzero(cohort.y == 1)[:3], np.array([], int))], cohort)


@pytest.mark.parametrize("test", [[], [5, 400], [5, -1], [5, 5], [0.5], np.arange(230) > 5], ids=str)
def test_rows_that_a_cohort_does_not_have_are_refused(test):
    with pytest.raises(InvalidOption, match="row"):
        GivenSplits.of([(np.arange(2), np.array(test))], people([0, 1] * 115))


def test_the_table_of_given_splits_leaves_out_who_stands_on_neither_side():
    cohort = people([0, 1] * 5)
    table = GivenSplits.of([(np.arange(4), np.arange(6, 8))], cohort).table(cohort)
    assert table["role"].tolist() == ["train"] * 4 + ["test"] * 2
    assert table["subject"].tolist() == ["s0", "s1", "s2", "s3", "s6", "s7"]
