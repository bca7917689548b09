from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.estimators.features import CohortVector
from graphfuse.estimators.mkl.people_kernel import KINDS, PeopleKernel
from graphfuse.estimators.mkl.similarity import median_distance


def test_the_linear_kernel_is_the_cosine_of_centred_vectors(train):
    X = CohortVector(("fmri",)).fit_transform(train).astype(float)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    X = X - X.mean(0)
    np.testing.assert_allclose(PeopleKernel("fmri").fit_transform(train).rows, X @ X.T, atol=1e-9)


def test_the_width_comes_from_the_training_people_who_have_the_modality(train, test):
    kernel = PeopleKernel("smri", "rbf")
    kernel.fit_transform(train)
    X = CohortVector(("smri",)).fit_transform(train)[train.has("smri")].astype(float)
    assert not train.has("smri").all()
    assert kernel.width_ == median_distance(X)
    kernel.transform(test)
    assert kernel.width_ == median_distance(X)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kernel_is_positive_semi_definite_and_gives_training_people_their_own_rows(kind, train):
    kernel = PeopleKernel("fmri", kind)
    fitted = kernel.fit_transform(train)
    np.testing.assert_allclose(fitted.rows, fitted.rows.T, atol=1e-9)
    assert np.linalg.eigvalsh(fitted.rows).min() > -1e-9
    assert fitted.rows.std() > 0
    again = kernel.transform(train[[4, 2]])
    np.testing.assert_allclose(again.rows, fitted.rows[[4, 2]], atol=1e-5)
    np.testing.assert_allclose(again.own, fitted.own[[4, 2]], atol=1e-5)


def test_a_kernel_that_does_not_suit_and_a_modality_of_nobody_are_refused(train):
    with pytest.raises(InvalidOption, match=r"log-euclidean.*timeseries.*measures"):
        PeopleKernel("smri", "log-euclidean").fit_transform(train)
    with pytest.raises(InvalidOption, match="kernel"):
        PeopleKernel("smri", "polynomial").fit_transform(train)
    with pytest.raises(InvalidOption, match="signals"):
        PeopleKernel("eeg").fit_transform(train)
    nobody = gf.Signal.pack("vector", [None] * len(train), columns=("a", "b"))
    with pytest.raises(MissingModality, match="No training subject"):
        PeopleKernel("eeg").fit_transform(replace(train, signals={**train.signals, "eeg": nobody}))
