"""The polynomial exponential of CPU kernels against numpy's in long double."""

from __future__ import annotations

import numpy as np
import pytest

from graphfuse.kernels.exponential import LANES, exponential, exponential_table
from graphfuse.kernels.jit import jit


@jit
def run(begin, end, x, power, bits, shift, table):
    exponential(x, power, bits, end, x.dtype.type(shift), table)


def by_polynomial(x, count, shift=0.0):
    x, power = x.copy(), np.zeros_like(x)
    bits = power.view(np.int32 if x.dtype == np.float32 else np.int64)
    run(0, count, x, power, bits, shift, exponential_table(x.dtype))
    return x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_numpy_to_the_last_bits(dtype):
    x = -np.linspace(0, 80, 64 * LANES, dtype=dtype)
    exact = np.exp(x.astype(np.longdouble))
    relative = np.abs(by_polynomial(x, len(x)) - exact) / exact
    eps = np.finfo(dtype).eps
    assert (relative <= eps * (1 - x)).all()  # what the rounding of x itself does
    assert (relative[-x < 1] <= 2 * eps).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_lies_far_below_or_above_stays_finite(dtype):
    x = np.zeros(LANES, dtype)
    x[:5] = -np.inf, -1e30, 1e30, 3, 2
    y = by_polynomial(x, 5, shift=3)
    assert (y[:2] < 1e-37).all()
    np.testing.assert_allclose(y[2:5], [1, 1, np.exp(-1)], rtol=1e-6)
