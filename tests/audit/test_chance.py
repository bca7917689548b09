from __future__ import annotations

import numpy as np

import graphfuse as gf
from graphfuse.audit.chance import label_permutation
from graphfuse.audit.pipeline import Pipeline


def judged(run, cohort, permutations=8):
    return label_permutation(Pipeline("mine", run), cohort, list(gf.Splits(folds=3).split(cohort)), permutations)


def test_an_honest_model_scores_as_a_coin(noise):
    assert judged(gf.Ridge(), noise).verdict == "pass"


def test_a_score_below_chance_is_a_leak_as_one_above_it_is(noise):
    def knows(cohort, train, test):
        return np.eye(2)[cohort.y[test]]

    def mirrored(cohort, train, test):
        return np.eye(2)[1 - cohort.y[test]]

    assert [judged(run, noise).verdict for run in (knows, mirrored)] == ["leak", "leak"]
