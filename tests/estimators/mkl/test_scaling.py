from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import KernelCenterer, normalize

from graphfuse.errors import InvalidOption
from graphfuse.estimators.mkl.scaling import ScaledKernel, Similarities

RNG = np.random.default_rng(1)
TRAIN, NEW = RNG.normal(size=(12, 4)) + 1, RNG.normal(size=(5, 4)) + 1


def similarities(X, Z, has=None, has_training=None) -> Similarities:
    has = np.ones(len(X), bool) if has is None else has
    has_training = np.ones(len(Z), bool) if has_training is None else has_training
    rows = np.where(has[:, None] & has_training, X @ Z.T, 0)
    return Similarities(rows, np.where(has, (X * X).sum(1), 0), has)


def test_cosine_and_centring_equal_those_of_scikit_learn_on_training_and_new_people():
    scale = ScaledKernel()
    train = scale.fit_transform(similarities(TRAIN, TRAIN))
    new = scale.transform(similarities(NEW, TRAIN))
    A, B = normalize(TRAIN), normalize(NEW)
    centre = KernelCenterer().fit(A @ A.T)
    np.testing.assert_allclose(train.rows, centre.transform(A @ A.T), atol=1e-12)
    np.testing.assert_allclose(new.rows, centre.transform(B @ A.T), atol=1e-12)
    np.testing.assert_allclose(train.own, np.diag(train.rows), atol=1e-12)
    np.testing.assert_allclose(new.own, np.square(B - A.mean(0)).sum(1), atol=1e-12)


def test_variance_makes_the_mean_of_the_centred_diagonal_1():
    scale = ScaledKernel("variance")
    train = scale.fit_transform(similarities(TRAIN, TRAIN))
    assert np.trace(train.rows) / len(TRAIN) == pytest.approx(1)
    centred = TRAIN - TRAIN.mean(0)
    unit = np.square(centred).sum(1).mean()
    np.testing.assert_allclose(train.rows, centred @ centred.T / unit, atol=1e-12)
    new = scale.transform(similarities(NEW, TRAIN)).rows
    np.testing.assert_allclose(new, (NEW - TRAIN.mean(0)) @ centred.T / unit, atol=1e-12)


@pytest.mark.parametrize("normalise", ["cosine", "variance"])
def test_people_without_the_modality_change_nothing_and_get_zeros(normalise):
    has = np.arange(12) % 4 != 0
    scale = ScaledKernel(normalise)
    gaps = scale.fit_transform(similarities(TRAIN, TRAIN, has, has))
    alone = ScaledKernel(normalise)
    whole = alone.fit_transform(similarities(TRAIN[has], TRAIN[has]))
    np.testing.assert_allclose(gaps.rows[np.ix_(has, has)], whole.rows, atol=1e-12)
    assert not gaps.rows[~has].any()
    assert not gaps.rows[:, ~has].any()
    new = scale.transform(similarities(NEW, TRAIN, has_training=has))
    np.testing.assert_allclose(new.rows[:, has], alone.transform(similarities(NEW, TRAIN[has])).rows, atol=1e-12)
    assert not new.rows[:, ~has].any()


@pytest.mark.parametrize("normalise", ["cosine", "variance"])
def test_people_who_are_all_alike_or_have_no_length_have_no_kernel_and_no_nan(normalise):
    zeros = np.zeros((4, 3))
    scale = ScaledKernel(normalise)
    assert not scale.fit_transform(similarities(zeros, zeros)).rows.any()
    assert np.isfinite(scale.transform(similarities(NEW[:, :3], zeros)).rows).all()


def test_another_normalisation_is_refused():
    with pytest.raises(InvalidOption, match="normalise"):
        ScaledKernel("trace").fit_transform(similarities(TRAIN, TRAIN))
