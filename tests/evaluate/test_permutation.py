from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import graphfuse as gf
from graphfuse.errors import InvalidOption, LabelLeakageError
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.calibration import probabilities
from graphfuse.evaluate.permutation import PermutationTest, permutation_test, permuted_labels
from graphfuse.evaluate.statistics import permutation_p

SPLITS = gf.Splits(folds=3)


class MeanDifference(CohortClassifier):
    """Two classes by the difference of their means; quick."""

    uses_y, scope = True, "training"

    def _fit(self, cohort, codes):
        x = cohort.signals["v"].stack()
        self.weight_ = x[codes == 1].mean(0) - x[codes == 0].mean(0)

    def _predict_proba(self, cohort):
        score = cohort.signals["v"].stack() @ self.weight_
        return probabilities(np.stack([-score, score], 1), 0.5)


def draw(seed=0, n=45, effect=0.0, site_effect=0.0, shares=(0.5, 0.5, 0.5), family=None):
    rng = np.random.default_rng(seed)
    site = np.arange(n) % 3
    y = (rng.permutation(n) / n < np.asarray(shares)[site]).astype(int)
    x = rng.normal(size=(n, 4)) + effect * y[:, None] + site_effect * rng.normal(size=(3, 4))[site]
    table = pd.DataFrame({"dx": np.array(["no", "yes"])[y], "site": np.array(list("abc"))[site]})
    table.index = [f"s{i}" for i in range(n)]
    if family is not None:
        table["family"] = family
    roles = {"target": "dx", "classes": ("no", "yes"), "site": "site", "group": None if family is None else "family"}
    return gf.Cohort(table, {"v": gf.Signal.pack("vector", list(x))}, **roles)


def test_labels_move_within_their_site_only():
    cohort = draw(shares=(0.2, 0.5, 0.8))
    moved = list(permuted_labels(cohort, "site", 50, 0))
    sites = cohort.sites.to_numpy()
    for y in moved:
        for site in "abc":
            assert y[sites == site].sum() == cohort.y[sites == site].sum()
    assert np.std([y[sites == "a"] @ np.arange(15) for y in moved]) > 0
    free = list(permuted_labels(cohort, None, 50, 0))
    assert all(y.sum() == cohort.y.sum() for y in free)
    assert len({y[sites == "a"].sum() for y in free}) > 1


def test_families_swap_their_labels_as_a_whole_and_with_equals_only():
    size = [1] * 15 + [2] * 12 + [3] * 2
    family = np.repeat(np.arange(len(size)), size)
    cohort = draw(family=[f"f{i}" for i in family])
    patterns = lambda y: sorted(tuple(y[family == f]) for f in range(len(size)) if size[f] == 2)  # noqa: E731
    seen = set()
    for y in permuted_labels(cohort, None, 40, 0):
        assert patterns(y) == patterns(cohort.y)
        assert y[family < 15].sum() == cohort.y[family < 15].sum()
        seen.add(tuple(y))
    assert len(seen) == 40
    strict = next(permuted_labels(cohort, "site", 1, 0))
    sites = cohort.sites.to_numpy()
    assert all(strict[sites == s].sum() == cohort.y[sites == s].sum() for s in "abc")


def test_every_order_of_the_labels_is_as_likely():
    cohort = draw(n=4).phenotypes.assign(dx=["yes", "no", "no", "no"])
    cohort = gf.Cohort(cohort, target="dx", classes=("no", "yes"))
    first = [int(np.argmax(y)) for y in permuted_labels(cohort, None, 2000, 1)]
    np.testing.assert_allclose(np.bincount(first) / 2000, 0.25, atol=0.04)


def test_the_observed_score_is_that_of_cross_validate_and_p_is_the_count():
    cohort = draw(effect=0.8)
    found = permutation_test(MeanDifference(), cohort, SPLITS, 39)
    scores = gf.cross_validate(MeanDifference(), cohort, SPLITS, baselines="none").scores.set_index("metric")
    assert found.observed == pytest.approx(scores.loc["auc", "mean"], abs=1e-12)
    assert found.p == (np.sum(found.null >= found.observed) + 1) / 40
    assert found.p <= 0.05
    assert found.p_worse > 0.9
    assert "p = 0.025 (39 permutations)" in repr(found)
    assert "within site" in repr(found)


def test_each_permutation_is_a_whole_evaluation_with_the_permuted_labels():
    cohort = draw(effect=0.5)
    found = permutation_test(MeanDifference(), cohort, SPLITS, 3, random_state=5)
    for y, value in zip(permuted_labels(cohort, "site", 3, 5), found.null, strict=True):
        names = np.array(["no", "yes"])[y]
        other = gf.Cohort(cohort.phenotypes.assign(dx=names), cohort.signals, "dx", ("no", "yes"), "site")
        folds = []
        for train, test in SPLITS.split(other):
            p = MeanDifference().fit(other[train].blind(), y[train]).predict_proba(other[test].blind())
            folds.append(roc_auc_score(y[test], p[:, 1]))
        assert value == pytest.approx(np.mean(folds), abs=1e-12)


def test_seeds_give_the_same_or_another_null():
    cohort = draw()
    one = permutation_test(MeanDifference(), cohort, SPLITS, 6, random_state=1).null
    again = permutation_test(MeanDifference(), cohort, SPLITS, 6, random_state=1).null
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, permutation_test(MeanDifference(), cohort, SPLITS, 6, random_state=2).null)


@pytest.mark.slow
def test_processes_give_the_same_null():
    cohort, ridge = draw(), gf.Ridge(("v",))
    two = [permutation_test(ridge, cohort, SPLITS, 4, n_jobs=jobs).null for jobs in (1, 2)]
    np.testing.assert_array_equal(*two)


def test_a_model_that_knows_the_site_only_is_not_significant_within_site():
    cohort = draw(n=90, site_effect=5.0, shares=(0.1, 0.5, 0.9))
    free = permutation_test(MeanDifference(), cohort, SPLITS, 39, within=None)
    within = permutation_test(MeanDifference(), cohort, SPLITS, 39)
    assert within.observed == free.observed > 0.65
    assert free.p < 0.05
    assert within.p > 0.05
    assert within.null.mean() > 0.6 > free.null.mean()


def test_p_is_uniform_on_noise():
    ps = []
    for seed in range(20):
        cohort = draw(seed, n=30)
        cohort = gf.Cohort(cohort.phenotypes[["dx"]], cohort.signals, "dx", ("no", "yes"))
        ps.append(permutation_test(MeanDifference(), cohort, gf.Splits(folds=2), 9, within=None).p)
    assert min(ps) >= 0.1
    assert np.mean(ps) == pytest.approx(0.55, abs=0.2)
    assert np.mean(np.array(ps) <= 0.1) <= 0.35  # .1 is expected; four standard errors above


def test_for_a_score_that_is_better_small_p_turns_round():
    null = np.array([0.2, 0.25, 0.3])
    low = PermutationTest("brier", None, 0.1, null)
    assert (low.p, low.p_worse) == (1 / 4, 1.0)
    high = PermutationTest("auc", None, 0.1, null)
    assert (high.p, high.p_worse) == (1.0, 1 / 4)
    assert permutation_p(0.1, null) == high.p


def test_what_cannot_be_permuted_or_scored_is_refused():
    cohort = draw()
    with pytest.raises(InvalidOption, match="Did you mean 'auc'"):
        permutation_test(MeanDifference(), cohort, SPLITS, 3, metric="aucs")
    with pytest.raises(InvalidOption, match="within"):
        permutation_test(MeanDifference(), cohort, SPLITS, 3, within="scanner")
    with pytest.raises(InvalidOption, match="permutations"):
        permutation_test(MeanDifference(), cohort, SPLITS, 0)
    with pytest.raises(LabelLeakageError):
        permutation_test(MeanDifference(), cohort.blind(), SPLITS, 3)
    confounded = cohort.phenotypes.assign(dx=np.where(cohort.sites == "a", "yes", "no"))
    confounded = gf.Cohort(confounded, cohort.signals, "dx", ("no", "yes"), "site")
    with pytest.raises(InvalidOption, match="cannot be permuted"):
        permutation_test(MeanDifference(), confounded, SPLITS, 3)
