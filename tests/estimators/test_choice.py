from __future__ import annotations

import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna_integration import OptunaSearchCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV

import graphfuse as gf
from graphfuse.errors import InvalidOption, SingleClassFold
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.baselines import Confounds, Majority
from graphfuse.estimators.choice import SCORES, InnerFolds, ProbabilityScore, choose, tried
from graphfuse.estimators.conformal import ConformalClassifier

GRID = {"C": [1e-3, 0.1, 10.0]}


class Spy(CohortClassifier):
    """Writes down whom it is fitted on and whom it predicts; larger `strength` finds the class better."""

    log: list = []  # noqa: RUF012

    def __init__(self, strength=0.0):
        self.strength = strength

    def _fit(self, cohort, codes):
        self.log.append(("fit", frozenset(cohort.subjects)))

    def _predict_proba(self, cohort):
        self.log.append(("predict", frozenset(cohort.subjects)))
        p = 0.5 + self.strength * np.linspace(-0.4, 0.4, len(cohort))
        return np.stack([1 - p, p], 1)


@pytest.fixture(autouse=True)
def fresh():
    Spy.log.clear()


def test_the_choice_is_scikit_learns_own_on_the_same_folds(train):
    search = choose(gf.LinearSVM(("smri",)), GRID, metric="log_loss").fit(train.blind(), train.y)
    assert isinstance(search, GridSearchCV)
    folds = list(InnerFolds().split(train.blind(), train.y))
    wanted = []
    for C in GRID["C"]:
        values = []
        for fit, judge in folds:
            model = gf.LinearSVM(("smri",), C=C).fit(train[fit].blind(), train.y[fit])
            values.append(-log_loss(train.y[judge], model.predict_proba(train[judge])))
        wanted.append(np.mean(values))
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], wanted, rtol=1e-12)
    assert search.best_params_["C"] == GRID["C"][int(np.argmax(wanted))]
    alone = gf.LinearSVM(("smri",), C=search.best_params_["C"]).fit(train.blind(), train.y)
    np.testing.assert_array_equal(search.predict_proba(train), alone.predict_proba(train))


def test_inner_folds_part_nobodys_family_and_hold_every_class(cohort):
    y, groups = cohort.y, np.arange(len(cohort)) // 2
    splitter = InnerFolds(folds=4, random_state=1)
    judged = []
    for fit, judge in splitter.split(cohort.blind(), y, groups):
        assert not set(groups[fit]) & set(groups[judge])
        assert set(y[judge]) == {0, 1}
        judged += judge.tolist()
    assert sorted(judged) == list(range(len(cohort)))
    assert splitter.get_n_splits(cohort.blind(), y, groups) == splitter.get_n_splits() == 4
    first = next(splitter.split(cohort, y))[1]
    assert not np.array_equal(first, np.arange(len(first)))  # shuffled
    assert not np.array_equal(first, next(InnerFolds(4, 2).split(cohort, y))[1])
    few = np.r_[0, 0, 0, np.ones(len(y) - 3, int)]
    assert len(list(splitter.split(cohort, few))) == splitter.get_n_splits(cohort, few) == 3


def test_only_training_subjects_have_a_say_in_cross_validation(cohort):
    splits = gf.Splits(folds=2)
    result = gf.cross_validate(choose(Spy(), {"strength": [0.0, 1.0]}, folds=3), cohort, splits, baselines="none")
    assert len(result.predictions) == len(cohort)
    folds = [(set(cohort.subjects[train]), set(cohort.subjects[test])) for train, test in splits.split(cohort)]
    per_fold = len(Spy.log) // 2
    assert per_fold == 2 * 3 * 2 + 2  # candidates x folds x (fit, predict), then the refit and the test subjects
    for i, (train, test) in enumerate(folds):
        log = Spy.log[i * per_fold : (i + 1) * per_fold]
        assert log[-1] == ("predict", test)
        assert all(who <= train for _, who in log[:-1])
        assert log[-2] == ("fit", train)


@pytest.mark.parametrize("metric", SCORES)
def test_scores_equal_scikit_learns(cohort, metric):
    model = gf.Ridge(("smri",)).fit(cohort[:40].blind(), cohort[:40].y)
    test, y = cohort[40:].blind(), cohort[40:].y

    class Bare:  # sklearn's scorers would take the scores (N, 2) of a Ridge for probabilities of one class
        classes_ = model.classes_
        __sklearn_tags__ = LogisticRegression().__sklearn_tags__
        predict_proba, predict = model.predict_proba, model.predict

    name = {"auc": "roc_auc", "brier": "neg_brier_score", "log_loss": "neg_log_loss"}.get(metric, metric)
    assert ProbabilityScore(metric)(model, test, y) == pytest.approx(get_scorer(name)(Bare(), test, y))


def test_auc_of_three_classes_is_each_against_the_rest(three):
    model = gf.Ridge(("smri",)).fit(three[:40].blind(), three[:40].y)
    wanted = np.mean([roc_auc_score(three[40:].y == c, model.predict_proba(three[40:])[:, c]) for c in range(3)])
    assert ProbabilityScore()(model, three[40:], three[40:].y) == pytest.approx(wanted)


def test_what_cannot_be_judged_is_refused_by_name(train):
    with pytest.raises(InvalidOption, match="auc"):
        ProbabilityScore("acu")
    with pytest.raises(InvalidOption, match="folds"):
        InnerFolds(1)
    model = Majority().fit(train.blind(), train.y)
    rows = np.flatnonzero(train.y == 0)
    with pytest.raises(SingleClassFold, match="1 of 2"):
        ProbabilityScore()(model, train[rows], train.y[rows])


def test_optuna_takes_the_same_folds_and_score_and_its_trials_are_counted(train):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optuna calls its search experimental
        search = OptunaSearchCV(
            gf.LinearSVM(("smri",)),
            {"C": CategoricalDistribution(GRID["C"])},
            cv=InnerFolds(),
            scoring=ProbabilityScore("log_loss"),
            n_trials=12,
            random_state=0,
            error_score="raise",
        ).fit(train.blind(), train.y)
    ours = choose(gf.LinearSVM(("smri",)), GRID, metric="log_loss").fit(train.blind(), train.y)
    assert search.best_params_ == ours.best_params_
    assert search.best_score_ == pytest.approx(ours.best_score_)
    assert tried(search) == 12
    assert tried(ours) == 3


def test_what_was_tried_is_counted_wherever_it_was_tried(train, fitted):
    assert tried(fitted["majority"]) == tried(fitted["confounds"]) == tried(fitted["mlp"]) == 1
    assert tried(fitted["ridge"]) == 9
    assert tried(fitted["mean-of-ridges"]) == 9 * len(fitted["mean-of-ridges"].ridges_)
    blind = train.blind()
    assert tried(choose(gf.Ridge(("smri",)), {"features": ["auto", "values"]}, folds=2).fit(blind, train.y)) == 2 * 9
    assert tried(ConformalClassifier(gf.Ridge(("smri",), alphas=(1.0, 2.0)), folds=3).fit(blind, train.y)) == 2
    nested = choose(ConformalClassifier(Confounds(), folds=2), {"model__C": [0.1, 1.0, 10.0]}, folds=2)
    assert tried(nested.fit(blind, train.y)) == 3
    assert tried(gf.Ridge()) == 1  # nothing tried yet
