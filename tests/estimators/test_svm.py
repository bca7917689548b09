from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import SVC

import graphfuse as gf


def kernels(svm, train, test):
    A, B = (svm.vector_.transform(part).astype(float) for part in (train, test))
    unit = np.square(A).sum(1).mean()  # the mean diagonal of the training kernel becomes 1
    return A @ A.T / unit, B @ A.T / unit


@pytest.mark.parametrize("C", [1.0, 0.1])
def test_scores_are_those_of_scikit_learn_with_the_scaled_kernel(train, test, C):
    svm = gf.LinearSVM(("fmri",), "correlation", C=C).fit(train)
    K, new = kernels(svm, train, test)
    assert np.trace(K) / len(K) == pytest.approx(1)
    reference = SVC(kernel="precomputed", C=C).fit(K, train.y == 0)
    scores = svm.decision_function(test)
    np.testing.assert_allclose(scores[:, 0], reference.decision_function(new), atol=1e-5)
    np.testing.assert_allclose(scores[:, 0], -scores[:, 1], atol=1e-10)
    assert np.array_equal(svm.predict(test) == 0, reference.predict(new))


def test_three_classes_are_each_against_the_rest(three):
    train, test = three[:45], three[45:]
    svm = gf.LinearSVM().fit(train)
    K, new = kernels(svm, train, test)
    for c in range(3):
        reference = SVC(kernel="precomputed").fit(K, train.y == c)
        np.testing.assert_allclose(svm.decision_function(test)[:, c], reference.decision_function(new), atol=1e-5)


def test_inner_scores_come_from_machines_that_have_not_seen_the_family(train):
    svm = gf.LinearSVM(("fmri",)).fit(train)
    K, _ = kernels(svm, train, train)
    codes, groups = train.y, np.arange(len(train)) // 2
    scores = svm._inner_scores(K, codes, groups)
    flipped = codes.copy()
    flipped[:2] = 1 - codes[:2]  # one family's own labels do not move its scores, given the same folds
    from graphfuse.estimators import svm as module

    fold_of = module.inner_folds(codes, groups, 5, 0)
    train_rows = np.flatnonzero(fold_of != fold_of[0])
    assert not {0, 1} & set(train_rows)
    reference = SVC(kernel="precomputed").fit(K[np.ix_(train_rows, train_rows)], flipped[train_rows] == 0)
    np.testing.assert_allclose(scores[:2, 0], reference.decision_function(K[np.ix_([0, 1], train_rows)]), atol=1e-6)


def test_who_lacks_a_modality_is_imputed_from_training_people_alone(cohort):
    people = cohort.without("smri", np.arange(len(cohort)) % 2 == 0)
    train, test = people[:44], people[44:]
    model = gf.LinearSVM(impute="nearest").fit(train)
    p = model.predict_proba(test)
    np.testing.assert_allclose(model.predict_proba(test[[0]])[0], p[0], atol=1e-5)
    plain = gf.LinearSVM().fit(train).predict_proba(test)
    assert np.abs(p - plain)[~test.has("smri")].max() > 1e-4
