"""The polynomial exponential of CPU kernels against numpy's in long double."""

from __future__ import annotations

import numpy as np
import pytest

from graphfuse.kernels.exponential import exponential
from graphfuse.kernels.jit import FAST, numba
from graphfuse.kernels.lanes import LANES, load, pointers, store

compiled = numba.njit(fastmath=FAST)  # not kept on disk, where it would not see a change of what is tested


@compiled
def run(begin, end, arrays):
    (x,) = pointers(arrays)
    for i in range(begin, end, LANES):
        store(x, i, exponential(load(x, i)))


def by_polynomial(x):
    x = x.copy()
    run(0, len(x), (x,))
    return x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_numpy_to_the_last_bits(dtype):
    x = -np.linspace(0, 80, 128 * LANES, dtype=dtype)
    exact = np.exp(x.astype(np.longdouble))
    relative = np.abs(by_polynomial(x) - exact) / exact
    eps = np.finfo(dtype).eps
    assert (relative <= eps * (1 - x)).all()  # what the rounding of x itself does
    assert (relative[-x < 1] <= 2 * eps).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_lies_far_below_or_above_stays_finite(dtype):
    y = by_polynomial(np.array([-np.inf, -1e30, 1e30, 3, 0, -1, -0.0, np.inf], dtype))
    assert ((y[:2] > 0) & (y[:2] < 1e-37)).all()
    np.testing.assert_allclose(y[2:], [1, 1, 1, np.exp(-1), 1, 1], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_an_array_it_is_numpys_within_the_same_bounds(dtype):
    x = np.array([-1e4, -3.0, 0.0, 5.0], dtype=dtype)
    lowest = np.exp(dtype(-87 if dtype == np.float32 else -708))
    np.testing.assert_allclose(exponential(x), [lowest, np.exp(-3), 1, 1], rtol=1e-6)
