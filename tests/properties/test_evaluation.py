"""Splits that are given, the vault, and the permutation test: nothing passes that should not, whatever comes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cases import finite_or_refused, many, on

import graphfuse as gf
from graphfuse.errors import LabelLeakageError
from graphfuse.evaluate.permutation import permutation_test
from graphfuse.evaluate.splits import GivenSplits
from graphfuse.evaluate.vault import Vault, freeze


def people(d, n: int, signals: dict | None = None) -> gf.Cohort:
    """People of two classes in families of any size."""
    table = pd.DataFrame({"dx": d.rng.choice(["x", "y"], n), "family": d.rng.integers(0, n, n).astype(str)})
    table.index = [f"s{i}" for i in range(n)]
    return gf.Cohort(table, signals or {}, "dx", ("x", "y"), group="family")


def some_rows(d, n: int) -> np.ndarray:
    """Numbers of rows: mostly fit, at times outside, twice, none, or whatever was drawn."""
    rows = np.flatnonzero(d.mask(n, share=d.one(0.2, 0.5)))
    return d.one(rows, rows, rows, d.rng.integers(-1, n + 1, 3), d.array(2))


@many
def test_given_splits_that_pass_part_no_family_and_train_on_two_classes(d):
    cohort = people(d, d.one(4, 9))
    pairs = [(some_rows(d, len(cohort)), some_rows(d, len(cohort))) for _ in range(d.one(1, 2))]
    splits = finite_or_refused(GivenSplits.of, pairs, cohort)
    for train, test in splits.pairs if splits else ():
        assert not set(cohort.groups[train]) & set(cohort.groups[test])
        assert set(cohort.y[train]) == {0, 1}
        assert 0 <= min(*train, *test) <= max(*train, *test) < len(cohort)


@many
def test_the_vault_opens_for_what_was_sealed_and_for_nothing_else(d):
    n, m = 9, d.one(1, 3)
    y, p = d.rng.integers(0, 2, n), d.array(m, 2, dtype=d.one(np.float32, np.float64))
    test, seal = d.rng.permutation(n)[:m], freeze(p)
    assert np.array_equal(Vault(y).open(test, p, seal), y[test])
    changed = p.copy()
    changed.reshape(-1)[d.rng.integers(p.size)] = 0.123
    for other in (changed, p.astype(complex), p[:, :1]):
        with pytest.raises(LabelLeakageError, match="sealed"):
            Vault(y).open(test, other, seal)


@many
def test_the_vault_hands_out_training_labels_of_nobody_who_is_tested(d):
    y = d.rng.integers(0, 2, 9)
    train, test = (np.flatnonzero(d.mask(9, share=0.3)) for _ in range(2))
    try:
        assert np.array_equal(Vault(y).training(train, test), y[train])
        assert not set(train) & set(test)
    except LabelLeakageError:
        assert set(train) & set(test)


@on(38)
def test_permutation_test(d):
    """38 cases: each is eight fits and eight searches for leaks, 100 ms."""

    def scores_and_p():
        cohort = people(d, 8, {"v": gf.Signal.pack("vector", list(d.array(8, 3)))})
        test = permutation_test(gf.Ridge(), cohort, gf.Splits(2, by=None), 3, d.one("auc", "brier"), within=None)
        assert test.p in (0.25, 0.5, 0.75, 1.0)
        return test

    finite_or_refused(scores_and_p)
