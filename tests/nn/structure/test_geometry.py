"""Cosines and distances equal scipy's and the textbook's."""

from __future__ import annotations

import torch
from scipy.spatial.distance import cdist

from graphfuse.nn.structure.geometry import cosines, squared_euclidean, squared_poincare, unit_rows


def rows(scale=1.0):
    torch.manual_seed(0)
    return scale * torch.randn(1, 6, 3, dtype=torch.float64)


def test_cosines_and_squared_distances_equal_scipys():
    x = rows()
    torch.testing.assert_close(cosines(x)[0], 1 - torch.as_tensor(cdist(x[0], x[0], "cosine")))
    torch.testing.assert_close(squared_euclidean(x)[0], torch.as_tensor(cdist(x[0], x[0], "sqeuclidean")))


def test_near_rows_lose_no_digits():
    x = 1000 + rows(1e-2).float()
    exact = squared_euclidean(x.double())
    torch.testing.assert_close(squared_euclidean(x).double(), exact, rtol=1e-5, atol=0)


def test_a_row_of_zeros_has_no_direction_and_no_gradient():
    x = torch.zeros(1, 2, 3, requires_grad=True)
    y = unit_rows(x)
    y.sum().backward()
    assert not y.any()
    assert not x.grad.any()


def test_poincare_distances_are_those_of_the_ball():
    x = rows(0.2)
    inside = x[0] / 1.01
    room = 1 - inside.square().sum(1)
    gap = torch.as_tensor(cdist(inside, inside, "sqeuclidean"))
    expected = torch.acosh(1 + 2 * gap / torch.outer(room, room)).square()
    torch.testing.assert_close(squared_poincare(x)[0], expected)


def test_along_a_radius_poincare_distance_is_twice_the_artanh():
    x = torch.tensor([[[0.0, 0.0], [0.5, 0.0]]], dtype=torch.float64)
    expected = (2 * torch.atanh(x[0, 1, 0] / 1.01)).square()
    torch.testing.assert_close(squared_poincare(x)[0, 0, 1], expected)


def test_rows_outside_the_ball_are_brought_inside():
    d = squared_poincare(rows(1e6))
    torch.testing.assert_close(d, squared_poincare(rows(1e3)))
    assert torch.isfinite(d).all()
