"""The product of opinions is the exact posterior where its assumption holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.naive_bayes import GaussianNB

from graphfuse.errors import InvalidOption, NonFinite, ShapeMismatch
from graphfuse.fusion.output.bayes import bayes

PRIOR = np.array([0.5, 0.2, 0.3])
MEANS = np.array([[0.0, 1.0, -1.0], [0.5, 0.0, 1.0], [1.0, -0.5, 0.0], [0.0, 0.3, 0.6]])  # (M, C)
WIDTHS = np.array([1.0, 0.7, 1.5, 1.0])


def toy(n=50):
    """Numbers x (n, M) that are independent given the class, each one's posterior and likelihoods (n, M, C)."""
    x = np.random.default_rng(0).normal(size=(n, 4))
    likelihood = norm.pdf(x[..., None], MEANS, WIDTHS[:, None])
    single = PRIOR * likelihood
    return x, single / single.sum(-1, keepdims=True), likelihood


def test_the_product_is_the_posterior_of_gaussian_naive_bayes():
    x, single, likelihood = toy()
    exact = PRIOR * likelihood.prod(1)
    exact /= exact.sum(1, keepdims=True)
    fused = bayes(torch.tensor(single), torch.ones(50, 4, dtype=torch.bool), prior=PRIOR)
    np.testing.assert_allclose(fused, exact, rtol=1e-9)
    model = GaussianNB(priors=PRIOR, var_smoothing=0).fit(np.vstack([MEANS.T - 1, MEANS.T + 1]), [0, 1, 2, 0, 1, 2])
    model.theta_, model.var_ = MEANS.T, np.tile(WIDTHS**2, (3, 1))
    np.testing.assert_allclose(fused, model.predict_proba(x), rtol=1e-9)


def test_a_missing_modality_takes_its_factor_and_one_prior_power_with_it():
    _, single, likelihood = toy()
    present = np.random.default_rng(1).random((50, 4)) < 0.5
    present[:, 0] |= ~present.any(1)
    exact = PRIOR * np.where(present[..., None], likelihood, 1).prod(1)
    exact /= exact.sum(1, keepdims=True)
    np.testing.assert_allclose(bayes(torch.tensor(single), torch.tensor(present), prior=PRIOR), exact, rtol=1e-9)


def test_a_wrong_prior_is_not_the_posterior():
    _, single, likelihood = toy()
    exact = PRIOR * likelihood.prod(1)
    exact /= exact.sum(1, keepdims=True)
    assert np.abs(bayes(torch.tensor(single), torch.ones(50, 4, dtype=torch.bool)).numpy() - exact).max() > 0.05


def test_exponents_calibrate_models_that_are_too_sure():
    _, single, likelihood = toy()
    sure = single**2
    sure /= sure.sum(-1, keepdims=True)
    exact = PRIOR * likelihood.prod(1)
    exact /= exact.sum(1, keepdims=True)
    fused = bayes(torch.tensor(sure), torch.ones(50, 4, dtype=torch.bool), prior=PRIOR, exponents=[0.5] * 4)
    np.testing.assert_allclose(fused, exact, rtol=1e-3)  # squares of small probabilities are clipped


def test_many_certain_models_stay_finite():
    p = torch.tensor([1.0, 0.0]).repeat(1, 500, 1)
    assert torch.equal(bayes(p, torch.ones(1, 500, dtype=torch.bool)), torch.tensor([[1.0, 0.0]]))


def test_priors_that_are_none_are_refused():
    p, present = torch.full((1, 2, 2), 0.5), torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(InvalidOption, match="above 0"):
        bayes(p, present, prior=(1.0, 0.0))
    with pytest.raises(NonFinite, match="prior"):
        bayes(p, present, prior=(1.0, torch.nan))
    with pytest.raises(ShapeMismatch, match="prior"):
        bayes(p, present, prior=(0.3, 0.3, 0.4))
    torch.testing.assert_close(bayes(p, present, prior=(6, 2)), bayes(p, present, prior=(0.75, 0.25)))
