from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.estimators.imputation.nearest import NearestImputation
from graphfuse.estimators.imputation.propagation import FeaturePropagation, propagate


@pytest.fixture
def graph():
    """Forty people, every fourth unknown, on a random weighted graph whose rows sum to one."""
    rng = np.random.default_rng(0)
    weight = rng.random((40, 40)) * (rng.random((40, 40)) < 0.2)
    np.fill_diagonal(weight, 0)
    weight[:, 1] += 0.05  # somebody known whom everybody hears
    weight[1, 1], weight[1, 2] = 0, 1
    shares = weight / weight.sum(1, keepdims=True)
    return shares, rng.standard_normal((40, 3)), np.arange(40) % 4 != 0


def harmonic(shares, x, known):
    """The linear solve ``(I - A_uu) x_u = A_uk x_k``."""
    full = x.copy()
    inner = np.eye((~known).sum()) - shares[np.ix_(~known, ~known)]
    full[~known] = np.linalg.solve(inner, shares[np.ix_(~known, known)] @ x[known])
    return full


def test_forty_iterations_reach_the_harmonic_extension(graph):
    shares, x, known = graph
    wanted = harmonic(*graph)
    np.testing.assert_allclose(propagate(csr_array(shares), x, known), wanted, atol=1e-10)
    np.testing.assert_array_equal(propagate(csr_array(shares), x, known)[known], x[known])
    errors = [np.abs(propagate(csr_array(shares), x, known, steps) - wanted).max() for steps in (1, 3, 9)]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_the_extension_keeps_to_the_range_of_what_is_known(graph):
    shares, x, known = graph
    full = propagate(csr_array(shares), x, known)
    assert (full.min(0) >= x[known].min(0)).all()
    assert (full.max(0) <= x[known].max(0)).all()
    np.testing.assert_allclose(propagate(csr_array(shares), np.ones_like(x), known), 1, atol=1e-10)


def test_who_cannot_be_reached_keeps_the_mean_and_unknown_values_are_not_read(graph):
    shares, x, known = graph
    alone = shares.copy()
    alone[[0, 4]] = 0
    alone[0, 4] = alone[4, 0] = 1  # two unknown people who hear each other only
    full = propagate(csr_array(alone), np.where(known[:, None], x, np.nan), known)
    assert not full[[0, 4]].any()
    assert np.isfinite(full).all()


def test_training_people_are_filled_in_harmonically(train):
    imputer = FeaturePropagation(k=6, iterations=400)
    full = imputer.fit_transform(*train)
    blocks, present = train
    from graphfuse.estimators.imputation.neighbours import nearest_shares

    everybody = imputer.people_
    shares = nearest_shares(everybody, everybody, imputer.lengths_, 6, own=np.arange(len(everybody))).toarray()
    for name, block in blocks.items():
        mean = block[present[name]].astype(float).mean(0)
        known = present[name].copy()
        known[-1] = True  # the last one has nothing and no neighbour
        centred = np.where(present[name][:, None], block - mean, 0)
        np.testing.assert_allclose(full[name], harmonic(shares, centred, known) + mean, atol=1e-5)


def test_a_new_person_hears_measured_and_filled_in_people(train, new):
    imputer = FeaturePropagation(k=6).fit(*train)
    plain = NearestImputation(k=6).fit(*train)
    a, b = imputer.transform(*new)["c"], plain.transform(*new)["c"]
    assert not np.allclose(a, b)  # who lacks c in training is a neighbour too
    whole = tuple({name: part[name] for name in part} for part in train)
    everybody = (whole[0], {name: np.ones(60, bool) for name in whole[0]})
    a, b = (model(k=6).fit(*everybody).transform(*new) for model in (FeaturePropagation, NearestImputation))
    for name in a:  # nobody to fill in: both are the mean of the six nearest
        np.testing.assert_allclose(a[name], b[name], atol=1e-6)


def test_what_does_not_fit_is_refused(graph):
    shares, x, known = graph
    with pytest.raises(InvalidOption, match="iterations"):
        propagate(csr_array(shares), x, known, 0)
    with pytest.raises(ShapeMismatch, match="known"):
        propagate(csr_array(shares), x, known[1:])
    with pytest.raises(ShapeMismatch, match="shares"):
        propagate(csr_array(shares[1:]), x, known)
