from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.connectome import ConnectivityMeasure
from sklearn.base import clone
from sklearn.covariance import EmpiricalCovariance, LedoitWolf
from sklearn.exceptions import ConvergenceWarning

from graphfuse.connectome import TangentSpace, covariance, geometric_mean, log_euclidean_mean, tangent_map
from graphfuse.connectome import tangent as module
from graphfuse.errors import InvalidOption, NonFinite, NotFitted, NotPositiveDefinite, ShapeMismatch


def _series(seed, lengths, n_regions=6):
    rng = np.random.default_rng(seed)
    mixing = np.eye(n_regions) + 0.1 * rng.normal(size=(n_regions, n_regions))
    return [rng.normal(size=(t, n_regions)) @ (mixing + 0.1 * rng.normal(size=mixing.shape)) for t in lengths]


def _covariances(seed=0, n_subjects=12, n_regions=5):
    return covariance(_series(seed, [40] * n_subjects, n_regions))


@pytest.mark.parametrize("estimator", ["empirical", "ledoit-wolf"])
def test_equals_nilearn_on_new_subjects(estimator):
    train, test = _series(0, [40, 31, 40, 55, 31]), _series(1, [40, 22, 30])
    estimate = {"empirical": EmpiricalCovariance, "ledoit-wolf": LedoitWolf}[estimator](store_precision=False)
    nilearn = ConnectivityMeasure(estimate, kind="tangent").fit(train)
    space = TangentSpace().fit(covariance(train, estimator))
    np.testing.assert_allclose(space.reference_, nilearn.mean_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(space.transform(covariance(test, estimator)), nilearn.transform(test), atol=1e-8)


def test_single_precision_gives_the_same_to_single_precision():
    covariances = _covariances()
    mean = geometric_mean(covariances, dtype=torch.float32)
    mapped = tangent_map(covariances, mean, dtype=torch.float32)
    assert mean.dtype == mapped.dtype == log_euclidean_mean(covariances, dtype=torch.float32).dtype == torch.float32
    torch.testing.assert_close(mean.double(), geometric_mean(covariances), rtol=0, atol=1e-5)
    torch.testing.assert_close(mapped.double(), tangent_map(covariances, mean.double()), rtol=0, atol=1e-5)


def test_the_gradient_vanishes_at_the_geometric_mean():
    covariances = _covariances()
    mean = geometric_mean(covariances, tol=1e-13, max_iter=100)
    assert tangent_map(covariances, mean).mean(0).norm() < 1e-10


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_the_geometric_mean_is_affine_invariant(seed):
    covariances = _covariances(seed)
    a = torch.from_numpy(np.random.default_rng(seed + 1).normal(size=(5, 5)) + 5 * np.eye(5))
    mean = geometric_mean(covariances, tol=1e-13, max_iter=200)
    moved = geometric_mean(a @ covariances @ a.T, tol=1e-13, max_iter=200)
    torch.testing.assert_close(moved, a @ mean @ a.T, rtol=1e-7, atol=1e-7)


def test_matrices_that_commute_have_the_geometric_mean_of_their_eigenvalues():
    values = torch.tensor([[1.0, 8.0], [4.0, 2.0]], dtype=torch.float64)
    expected = torch.diag(torch.tensor([2.0, 4.0], dtype=torch.float64))
    torch.testing.assert_close(geometric_mean(torch.diag_embed(values)), expected)
    torch.testing.assert_close(log_euclidean_mean(torch.diag_embed(values)), expected)


def test_the_log_euclidean_mean_equals_scipy():
    covariances = _covariances()
    expected = scipy.linalg.expm(np.mean([scipy.linalg.logm(c) for c in covariances.numpy()], axis=0))
    np.testing.assert_allclose(log_euclidean_mean(covariances.numpy()), expected, rtol=1e-9)


@pytest.mark.parametrize("reference", module.REFERENCES)
def test_a_transform_depends_on_no_other_subject(reference, monkeypatch):
    covariances = _covariances(n_subjects=20)
    space = TangentSpace(reference).fit(covariances[:15])
    together = space.transform(covariances[15:])
    alone = torch.cat([space.transform(c[None]) for c in covariances[15:]])
    torch.testing.assert_close(together, alone)
    monkeypatch.setattr(module, "CHUNK_NUMBERS", 1)
    torch.testing.assert_close(space.transform(covariances[15:]), together)
    torch.testing.assert_close(TangentSpace(reference).fit(covariances[:15]).reference_, space.reference_)


def test_the_reference_maps_to_zero():
    reference = _covariances()[0]
    assert tangent_map(reference[None], reference).abs().max() < 1e-12


def test_a_step_too_few_is_said():
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        geometric_mean(_covariances(), tol=1e-14, max_iter=1)


def test_errors_are_named():
    covariances = _covariances()
    with pytest.raises(NotFitted):
        TangentSpace().transform(covariances)
    with pytest.raises(InvalidOption, match="reference"):
        TangentSpace("arithmetic").fit(covariances)
    with pytest.raises(ShapeMismatch):
        geometric_mean(covariances[0])
    with pytest.raises(ShapeMismatch):
        tangent_map(covariances, covariances[0, :4, :4])
    singular = covariances.clone()
    singular[7] = 1
    with pytest.raises(NotPositiveDefinite, match=r"covariances\[7\]"):
        geometric_mean(singular)
    with pytest.raises(NotPositiveDefinite, match="reference"):
        tangent_map(covariances, singular[7])
    covariances[2, 0, 0] = torch.nan
    with pytest.raises(NonFinite):
        log_euclidean_mean(covariances)


def test_it_is_a_scikit_learn_transformer():
    space = clone(TangentSpace("log-euclidean"))
    assert space.get_params() == {"reference": "log-euclidean"}
    covariances = _covariances()
    torch.testing.assert_close(space.fit_transform(covariances), space.transform(covariances))
