from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import expm, fractional_matrix_power, logm

from graphfuse.errors import InvalidOption, NonFinite, NotPositiveDefinite, ShapeMismatch
from graphfuse.nn.geodesic import GEODESICS, geodesic


def spd(seed, n=3, regions=4, dtype=torch.float64):
    x = torch.randn(n, 3 * regions, regions, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return x.mT @ x / (3 * regions)


FIRST, SECOND, T = spd(0), spd(1), torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)


def test_the_log_euclidean_geodesic_equals_scipys_logarithms():
    got = geodesic(FIRST, SECOND, T)
    for a, b, t, s in zip(FIRST.numpy(), SECOND.numpy(), T.numpy(), got.numpy(), strict=True):
        np.testing.assert_allclose(s, expm((1 - t) * logm(a) + t * logm(b)), atol=1e-10)


def test_the_affine_invariant_geodesic_equals_the_one_of_symmetric_roots():
    got = geodesic(FIRST, SECOND, T, "affine-invariant")
    for a, b, t, s in zip(FIRST.numpy(), SECOND.numpy(), T.numpy(), got.numpy(), strict=True):
        root, inverse = fractional_matrix_power(a, 0.5), fractional_matrix_power(a, -0.5)
        np.testing.assert_allclose(s, root @ fractional_matrix_power(inverse @ b @ inverse, t) @ root, atol=1e-10)


@pytest.mark.parametrize("kind", GEODESICS)
class TestBoth:
    def test_the_logarithm_of_the_determinant_is_linear(self, kind):
        for t in (0.1, 0.5, 0.9):
            got = geodesic(FIRST, SECOND, torch.full((3,), t, dtype=torch.float64), kind)
            expected = (1 - t) * torch.logdet(FIRST) + t * torch.logdet(SECOND)
            torch.testing.assert_close(torch.logdet(got), expected)

    def test_points_on_it_are_symmetric_positive_definite_in_float32(self, kind):
        first, second = spd(2, n=1, regions=30, dtype=torch.float32), spd(3, n=1, regions=30, dtype=torch.float32)
        got = geodesic(first, second, torch.tensor([0.4]), kind)
        assert got.dtype == torch.float32
        assert torch.equal(got, got.mT)
        assert torch.linalg.eigvalsh(got.double()).min() > 0

    def test_it_ends_in_both_matrices_and_runs_both_ways(self, kind):
        got = geodesic(FIRST, SECOND, T, kind)
        torch.testing.assert_close(got[0], FIRST[0])
        torch.testing.assert_close(got[2], SECOND[2])
        torch.testing.assert_close(geodesic(SECOND, FIRST, 1 - T, kind), got)

    def test_commuting_matrices_are_mixed_by_powers(self, kind):
        first, second = torch.diag(torch.tensor([1.0, 4.0])), torch.diag(torch.tensor([9.0, 1.0]))
        got = geodesic(first[None], second[None], torch.tensor([0.5]), kind)
        torch.testing.assert_close(got[0], torch.diag(torch.tensor([3.0, 2.0])))

    def test_the_order_of_regions_does_not_matter(self, kind):
        order = torch.tensor([2, 0, 3, 1])
        moved = geodesic(FIRST[:, order][:, :, order], SECOND[:, order][:, :, order], T, kind)
        torch.testing.assert_close(moved, geodesic(FIRST, SECOND, T, kind)[:, order][:, :, order])

    def test_a_singular_end_is_refused(self, kind):
        singular = torch.ones(3, 4, 4, dtype=torch.float64)
        for ends in ((FIRST, singular), (singular, SECOND)):
            with pytest.raises(NotPositiveDefinite, match="Shrink"):
                geodesic(*ends, T, kind)

    def test_no_pair_gives_no_matrix(self, kind):
        assert geodesic(FIRST[:0], SECOND[:0], T[:0], kind).shape == (0, 4, 4)


def test_only_the_affine_invariant_one_follows_a_change_of_units():
    change = torch.tensor([[1.0, 2, 0, 0], [0, 1, 0, 3], [0, 0, 2, 0], [1, 0, 0, 1]], dtype=torch.float64)
    moved = [change @ s @ change.T for s in (FIRST, SECOND)]
    got = change @ geodesic(FIRST, SECOND, T, "affine-invariant") @ change.T
    torch.testing.assert_close(geodesic(*moved, T, "affine-invariant"), got)
    assert not torch.allclose(geodesic(*moved, T), change @ geodesic(FIRST, SECOND, T) @ change.T, rtol=1e-2)


def test_a_straight_line_swells_and_geodesics_do_not():
    first, second = torch.diag(torch.tensor([1.0, 9.0]))[None], torch.diag(torch.tensor([9.0, 1.0]))[None]
    assert torch.det((first + second) / 2) > 20
    torch.testing.assert_close(torch.det(geodesic(first, second, torch.tensor([0.5]))), torch.tensor([9.0]))


def test_odd_arguments_are_refused():
    with pytest.raises(InvalidOption, match="position must lie"):
        geodesic(FIRST, SECOND, T + 1)
    with pytest.raises(InvalidOption, match="kind must be one of affine-invariant, log-euclidean"):
        geodesic(FIRST, SECOND, T, "linear")
    with pytest.raises(InvalidOption, match="second must be symmetric"):
        geodesic(FIRST, SECOND.triu(), T)
    with pytest.raises(NonFinite, match="first"):
        geodesic(FIRST * float("nan"), SECOND, T)
    with pytest.raises(ShapeMismatch, match="second"):
        geodesic(FIRST, SECOND[:2], T)
