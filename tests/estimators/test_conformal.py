from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import graphfuse as gf
from graphfuse.errors import InvalidOption
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.calibration import probabilities
from graphfuse.estimators.conformal import ConformalClassifier


class MeanDifference(CohortClassifier):
    """Two classes by the difference of their means; quick."""

    def _fit(self, cohort, codes):
        x = cohort.signals["v"].stack()
        self.weight_ = x[codes == 1].mean(0) - x[codes == 0].mean(0)
        self.centre_ = x.mean(0)

    def _predict_proba(self, cohort):
        score = (cohort.signals["v"].stack() - self.centre_) @ self.weight_
        return probabilities(np.stack([-score, score], 1), 0.5)


def draw(seed, n, shift=0.0, share=0.5, group=None):
    """Classes one standard deviation apart in each of three features; `shift` moves everybody."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    x = rng.normal(size=(n, 3)) + y[:, None] + shift
    table = pd.DataFrame({"dx": np.array(["healthy", "ill"])[y]}, index=[f"s{i}" for i in range(n)])
    if group is not None:
        table["family"] = group
    return gf.Cohort(
        table,
        {"v": gf.Signal.pack("vector", list(x))},
        target="dx",
        classes=("healthy", "ill"),
        group="family" if group is not None else None,
    )


def covered(sets, cohort):
    return sets.to_numpy()[np.arange(len(cohort)), cohort.y]


def shares(draws=30, n=120, shift=0.0, share=0.5, **options):
    """Coverage overall and of each class, over many training and test sets."""
    hits, y = [], []
    for seed in range(draws):
        train, test = draw(2 * seed, n, share=share), draw(2 * seed + 1, 150, shift, share=share)
        model = ConformalClassifier(MeanDifference(), random_state=seed, **options).fit(train.blind(), train.y)
        hits.append(covered(model.predict_set(test.blind()), test))
        y.append(test.y)
    hits, y = np.concatenate(hits), np.concatenate(y)
    return hits.mean(), hits[y == 0].mean(), hits[y == 1].mean()


@pytest.mark.parametrize("folds", [3, 5])
def test_sets_hold_the_class_as_often_as_asked(folds):
    assert shares(folds=folds)[0] == pytest.approx(0.9, abs=0.03)
    assert shares(folds=folds, coverage=0.7, draws=15)[0] == pytest.approx(0.7, abs=0.04)


def test_by_class_covers_the_rare_class_as_often_too():
    _, common, rare = shares(share=0.2, n=200)
    assert abs(rare - common) > 0.05  # what by_class is for
    _, common, rare = shares(share=0.2, n=200, by_class=True)
    assert common == pytest.approx(0.9, abs=0.03)
    assert rare == pytest.approx(0.9, abs=0.03)


def test_another_scanner_breaks_the_coverage_as_the_caveats_say():
    assert shares(draws=5, shift=1.5)[0] < 0.75
    assert any("site" in caveat for caveat in ConformalClassifier.caveats)
    assert any("1 - 2a" in caveat for caveat in ConformalClassifier.caveats)


@pytest.mark.parametrize("by_class", [False, True])
def test_p_values_are_the_counts_of_the_definition(by_class):
    train, test = draw(0, 40), draw(1, 6)
    model = ConformalClassifier(MeanDifference(), by_class=by_class).fit(train.blind(), train.y)
    wanted = np.empty((6, 2))
    for i in range(6):
        for c in range(2):
            above = total = 0
            for fold, scores, codes in zip(model.fold_models_, model.scores_, model.codes_, strict=True):
                new = 1 - fold.predict_proba(test[[i]])[0, c]
                kept = scores[codes == c] if by_class else scores
                above, total = above + (kept >= new).sum(), total + len(kept)
            wanted[i, c] = (above + 1) / (total + 1)
    np.testing.assert_allclose(model.p_values(test), wanted, rtol=1e-12)


def test_the_scores_are_of_models_that_never_saw_the_subject_or_its_family():
    family = np.arange(60) // 2
    train = draw(3, 60, group=[f"f{i}" for i in family])
    seen = []

    class Spy(MeanDifference):
        def _fit(self, cohort, codes):
            seen.append(set(cohort.subjects))
            assert cohort.target is None
            super()._fit(cohort, codes)

    model = ConformalClassifier(Spy()).fit(train.blind(), train.y)
    everybody, *folds = seen
    assert everybody == set(train.subjects)
    assert sum(len(everybody - fold) for fold in folds) == len(train)
    for fold in folds:
        left_out = {int(subject[1:]) // 2 for subject in everybody - fold}
        assert not left_out & {int(subject[1:]) // 2 for subject in fold}
    assert sum(map(len, model.scores_)) == 60


def test_the_table_is_named_and_no_test_label_matters():
    train, test = draw(4, 60), draw(5, 20)
    model = ConformalClassifier(MeanDifference()).fit(train.blind(), train.y)
    sets = model.predict_set(test)
    assert sets.columns.tolist() == ["healthy", "ill"]
    assert sets.index.tolist() == test.subjects.tolist()
    assert sets.dtypes.eq(bool).all()
    flipped = test.phenotypes.assign(dx=np.where(test.y == 1, "healthy", "ill"))
    other = gf.Cohort(flipped, test.signals, target="dx", classes=test.classes)
    pd.testing.assert_frame_equal(sets, model.predict_set(other))
    pd.testing.assert_frame_equal(sets.iloc[[3]], model.predict_set(test.blind()[[3]]))
    named = ConformalClassifier(MeanDifference()).fit(train.blind(), train.phenotypes["dx"].to_numpy())
    assert named.predict_set(test).columns.tolist() == ["healthy", "ill"]


def test_probabilities_are_those_of_the_model_alone_and_more_coverage_gives_larger_sets():
    train, test = draw(6, 60), draw(7, 20)
    wrapped = ConformalClassifier(MeanDifference()).fit(train.blind(), train.y)
    alone = MeanDifference().fit(train.blind(), train.y)
    np.testing.assert_array_equal(wrapped.predict_proba(test), alone.predict_proba(test))
    small = clone(wrapped).set_params(coverage=0.5).fit(train.blind(), train.y).predict_set(test)
    assert (small <= wrapped.predict_set(test)).all(axis=None)
    assert small.sum(axis=None) < wrapped.predict_set(test).sum(axis=None)


def test_more_than_two_classes(three):
    model = ConformalClassifier(gf.Ridge(("smri",)), folds=3).fit(three[:44].blind(), three[:44].y)
    assert model.predict_set(three[44:]).columns.tolist() == ["a", "b", "c"]


def test_impossible_options_are_refused():
    train = draw(8, 20)
    with pytest.raises(InvalidOption, match="coverage"):
        ConformalClassifier(MeanDifference(), coverage=1.0).fit(train.blind(), train.y)
    with pytest.raises(InvalidOption, match="transductive"):
        ConformalClassifier(gf.PopulationClassifier(transductive=True)).fit(train.blind(), train.y)
    pooled = gf.Ridge(adjust=gf.ComBat(on_unseen="features"))
    for model in (pooled, gf.LateFusion({"a": pooled}), ConformalClassifier(pooled)):
        assert ConformalClassifier(model).scope == "features"
        with pytest.raises(InvalidOption, match="on_unseen"):
            ConformalClassifier(model).fit(train.blind(), train.y)
