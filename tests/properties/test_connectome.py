"""Connectomes of any numbers: finite, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import finite_or_refused, many

from graphfuse.connectome import (
    ESTIMATORS,
    KINDS,
    REFERENCES,
    SIMILARITIES,
    TangentSpace,
    fisher_z,
    from_upper_triangle,
    functional_connectivity,
    morphometric_similarity,
    tangent_map,
    upper_triangle,
)
from graphfuse.connectome.functional import scale_free_covariance


def series(d) -> tuple:
    """Series of up to three subjects, and which regions to use (or None)."""
    b, t, r = d.one(1, 2, 3), d.one(1, 2, 3, 4, 7, 12), d.one(1, 2, 3, 5)
    x = d.array(b, t, r, dtype=d.one(np.float32, np.float64))
    if d.one(True, False):  # lengths that differ
        x = [x[i, : max(1, t - i)] for i in range(b)]
    return x, d.one(None, d.mask(b, r))


def covariances(d, b: int, r: int) -> np.ndarray:
    """Symmetric matrices (B, R, R): products of what was drawn, or drawn themselves, which have any eigenvalues."""
    x = d.array(b, r, d.one(1, r + 2), dtype=np.float64)
    with np.errstate(all="ignore"):
        product = x @ x.transpose(0, 2, 1)
        return product if d.one(True, True, False) else d.array(b, r, r, dtype=np.float64)


@pytest.mark.parametrize("kind", KINDS)
@many
def test_functional_connectivity(kind, d):
    x, usable = series(d)
    given = {"estimator": d.one(None, *ESTIMATORS), "dtype": d.one(None, torch.float32, torch.float64)}
    result = finite_or_refused(functional_connectivity, x, kind, usable=usable, **given)
    assert result is None or torch.equal(result, result.mT)


@many
def test_scale_free_covariance(d):
    x, usable = series(d)
    finite_or_refused(scale_free_covariance, x, d.one(*ESTIMATORS), usable=usable)


@many
def test_fisher_z(d):
    r = d.array(d.one(1, 4), dtype=d.one(np.float32, np.float64))
    finite_or_refused(fisher_z, r)
    z = finite_or_refused(fisher_z, np.clip(r, -1, 1))
    assert (z is None) == np.isnan(r).any()


@pytest.mark.parametrize("mean", REFERENCES.values())
@many
def test_means_of_covariances(mean, d):
    finite_or_refused(mean, covariances(d, d.one(1, 2, 4), d.one(1, 2, 3)))


@many
def test_tangent_map(d):
    r = d.one(1, 2, 3)
    finite_or_refused(tangent_map, covariances(d, d.one(1, 3), r), d.one(covariances(d, 1, r)[0], np.eye(r)))


@many
def test_tangent_space(d):
    x = covariances(d, d.one(2, 4), d.one(1, 2, 3))
    space = TangentSpace(d.one(*REFERENCES))
    if finite_or_refused(lambda: vars(space.fit(x))) is not None:
        finite_or_refused(space.transform, x)


@many
def test_morphometric_similarity(d):
    b, r, m = d.one(1, 3), d.one(1, 2, 5), d.one(1, 3, 5, 7)
    x = d.array(b, r, m, dtype=d.one(np.float32, np.float64))
    result = finite_or_refused(morphometric_similarity, x, d.one("auto", *SIMILARITIES), d.one(None, d.mask(b, r)))
    assert result is None or result.abs().max() <= 1


@many
def test_triangles(d):
    b, r, diagonal = d.one(1, 3), d.one(1, 2, 4), d.one(False, True)
    x = d.array(b, r, r, dtype=d.one(np.float32, np.float64))
    scale = d.one(None, 1.0, 0.5, 0.0, float("nan"))
    vectors = finite_or_refused(upper_triangle, x, diagonal, scale)
    if vectors is not None:
        finite_or_refused(from_upper_triangle, vectors, r, scale=scale, fill=d.one(0.0, 1.0, float("inf")))
    p = d.one(0, 1, 3, 6, 10)
    finite_or_refused(from_upper_triangle, d.array(b, p), d.one(1, 2, 3, 4), fill=d.one(0.0, float("nan")))
