"""Eight numbers at once in compiled kernels, against numpy on the same eight."""

from __future__ import annotations

import numpy as np
import pytest

from graphfuse.kernels.jit import FAST, numba
from graphfuse.kernels.lanes import (
    LANES,
    larger,
    load,
    peak,
    pointers,
    power_of_two,
    smaller,
    spread,
    store,
    take,
    total,
    totals,
    where_positive,
    zeros,
)

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])

compiled = numba.njit(fastmath=FAST)  # not kept on disk, where it would not see a change of what is tested


@compiled
def arithmetic(x, y, out):
    x, y, out = pointers((x, y, out))
    one, other = load(x, 1), load(y, 2)
    s = one
    s += other * 2
    s -= 0.5
    s *= other
    store(out, 0, s)
    store(out, LANES, 3.0 - one)
    store(out, 2 * LANES, spread(x[0]) + zeros(x))


@DTYPES
def test_arithmetic_with_lanes_and_numbers_equals_numpy(dtype):
    x, y = numbers(16, dtype), numbers(17, dtype)[1:]
    out = np.full(3 * LANES + 1, 7, dtype)
    arithmetic(x, y, out)
    one, other = x[1:9], y[2:10]
    expected = [(one + other * 2 - 0.5) * other, 3 - one, np.full(LANES, x[0])]
    np.testing.assert_allclose(out[:-1], np.concatenate(expected), rtol=1e-5)
    assert out[-1] == 7  # nothing is written behind the lanes


@compiled
def selection(x, y, where, out):
    x, y, where, out = pointers((x, y, where, out))
    one, other = load(x, 0), load(y, 0)
    store(out, 0, larger(one, other))
    store(out, LANES, smaller(one, other))
    store(out, 2 * LANES, where_positive(one, other, zeros(x)))
    store(out, 3 * LANES, take(y, where, 1, 2))


@DTYPES
def test_selections_equal_numpy(dtype):
    x, y, out = numbers(8, dtype), numbers(20, dtype)[::-1].copy(), np.zeros(4 * LANES, dtype)
    x[3] = 0  # is not above zero
    where = np.random.default_rng(0).integers(0, 18, 12)
    selection(x, y, where, out)
    expected = [np.maximum(x, y[:8]), np.minimum(x, y[:8]), np.where(x > 0, y[:8], 0), y[where[1:9] + 2]]
    np.testing.assert_array_equal(out, np.concatenate(expected))


@compiled
def reduction(x, out):
    x, out = pointers((x, out))
    rows = load(x, 0), load(x, 8), load(x, 16), load(x, 24), load(x, 32), load(x, 40), load(x, 48), load(x, 56)
    store(out, 0, totals(rows))
    out[8], out[9] = total(rows[3]), peak(rows[3])


@DTYPES
def test_reductions_equal_numpy(dtype):
    x, out = numbers(64, dtype), np.zeros(10, dtype)
    for place in range(LANES):  # wherever the largest lies
        x[24 + place] += 100
        reduction(x, out)
        rows = x.reshape(LANES, LANES)
        np.testing.assert_allclose(out[:9], [*rows.sum(1), rows[3].sum()], rtol=1e-5, atol=1e-5)
        assert out[9] == rows[3].max()
        x[24 + place] -= 100


@compiled
def powers(x, out):
    x, out = pointers((x, out))
    power, k = power_of_two(load(x, 0))
    store(out, 0, power)
    store(out, LANES, k)


@pytest.mark.parametrize(("dtype", "lowest"), [(np.float32, -126), (np.float64, -1022)])
def test_powers_of_two_are_exact_down_to_the_smallest_normal_number(dtype, lowest):
    x, out = np.array([lowest, lowest + 0.5, -1.5, -1, -0.25, 0, 0.75, 3], dtype), np.zeros(2 * LANES, dtype)
    powers(x, out)
    np.testing.assert_array_equal(out, [*np.exp2(np.floor(x)), *np.floor(x)])


def numbers(count, dtype):
    return np.random.default_rng(1).normal(size=count).astype(dtype)
