"""Sparsemax is the projection onto the simplex; a mask lets nothing through."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize

from graphfuse.errors import NonFinite, ShapeMismatch
from graphfuse.nn.simplex import masked_softmax, sparsemax

FUNCTIONS = [masked_softmax, sparsemax]
MASK = torch.tensor([[True] * 5, [True, False, True, True, False], [False] * 5, [False, False, True, False, False]])


def scores(seed=0, shape=(4, 5), scale=1.5):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def project(z):
    """Return the nearest point of the simplex: the threshold by bisection."""
    tau = brentq(lambda t: np.maximum(z - t, 0).sum() - 1, z.min() - 1, z.max(), xtol=1e-14)
    return np.maximum(z - tau, 0)


@pytest.mark.parametrize("seed", range(5))
def test_sparsemax_is_the_projection_found_by_bisection_and_by_a_quadratic_programme(seed):
    for z in scores(seed).numpy():
        ours = sparsemax(torch.from_numpy(z)).numpy()
        np.testing.assert_allclose(ours, project(z), atol=1e-12)
        solved = minimize(
            lambda p, z=z: ((p - z) ** 2).sum(),
            np.full(5, 0.2),
            jac=lambda p, z=z: 2 * (p - z),
            bounds=[(0, 1)] * 5,
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1, "jac": lambda p: np.ones(5)},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        np.testing.assert_allclose(ours, solved.x, atol=1e-6)


def test_sparsemax_with_a_mask_is_the_projection_of_what_is_allowed():
    z, expected = scores(), torch.zeros(4, 5, dtype=torch.float64)
    for row in (0, 1, 3):
        expected[row, MASK[row]] = torch.from_numpy(project(z[row, MASK[row]].numpy()))
    torch.testing.assert_close(sparsemax(z, MASK), expected)


def test_sparsemax_of_points_of_the_simplex_and_of_equal_scores_is_known():
    point = torch.tensor([0.5, 0.0, 0.3, 0.2])
    torch.testing.assert_close(sparsemax(point), point)
    torch.testing.assert_close(sparsemax(torch.full((4,), 7.0)), torch.full((4,), 0.25))
    torch.testing.assert_close(sparsemax(torch.tensor([3.0, 1.0, -9.0])), torch.tensor([1.0, 0.0, 0.0]))


def test_sparsemax_keeps_its_digits_far_from_zero():
    z = scores().float()
    torch.testing.assert_close(sparsemax(z + 4096.0), sparsemax((z + 4096.0).double()).float(), rtol=0, atol=1e-6)
    torch.testing.assert_close(sparsemax(z * 1e12).sum(-1), torch.ones(4))


def test_the_gradient_of_sparsemax_is_its_closed_form():
    z = torch.tensor([0.8, 0.6, 0.5, -2.0, -3.0], dtype=torch.float64, requires_grad=True)
    p = sparsemax(z)
    weight = torch.linspace(-1, 2, 5, dtype=torch.float64)
    (grad,) = torch.autograd.grad(p @ weight, z)
    support = (p > 0).double().detach()
    assert 1 < support.sum() < 5
    torch.testing.assert_close(grad, support * (weight - (support @ weight) / support.sum()))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_gradients_agree_with_differences(function):
    z = scores(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: function(z, MASK), z)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_rows_sum_to_one_or_are_empty(function):
    p = function(scores(), MASK)
    torch.testing.assert_close(p.sum(-1), MASK.any(1).double())
    assert not p[~MASK].any()
    assert (p >= 0).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_masked_changes_no_bit(function):
    results = []
    for fill in (0.0, torch.nan, torch.inf, -torch.inf, 50.0):
        z = torch.where(MASK, scores(), fill).requires_grad_()
        p = function(z, MASK)
        (grad,) = torch.autograd.grad(p.square().sum(), z)
        assert not grad[~MASK].any()
        results.append((p.detach(), grad))
    for p, grad in results[1:]:
        assert torch.equal(p, results[0][0])
        assert torch.equal(grad, results[0][1])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_mask_allows_all(function):
    torch.testing.assert_close(function(scores()), function(scores(), torch.ones(4, 5, dtype=torch.bool)))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_errors_at_the_door(function):
    with pytest.raises(NonFinite, match="Scores"):
        function(torch.tensor([1.0, torch.nan]))
    with pytest.raises(ShapeMismatch, match="mask"):
        function(scores(), MASK[:, :4])
