"""The exponential of eight numbers at once, for CPU kernels: a polynomial where the C library's takes one number."""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from graphfuse.kernels.jit import FAST
from graphfuse.kernels.lanes import Lanes, larger, power_of_two, smaller, spread

LOG2E, LN2 = 1 / math.log(2), math.log(2)
LOWEST = {types.float32: np.float32(-87), types.float64: np.float64(-708)}
DEGREE = {types.float32: 7, types.float64: 12}  # of exp on |r| <= log(2) / 2, to the last bit


def exponential(x: Lanes | np.ndarray) -> Lanes | np.ndarray:
    """Return ``exp(x)``, inside a compiled kernel as ``2^k exp(r)`` with ``|r| <= log(2) / 2``; of an array, by numpy.

    Relative error ``1e-7 (1 + |x|)`` in float32; from ``exp(-87)`` down the result stays at ``exp(-87)``, in float64 at
    ``exp(-708)``.

    Parameters
    ----------
    x : Lanes, or array
        What lies above 0 counts as 0.
    """
    return np.exp(np.clip(x, -87 if x.dtype == np.float32 else -708, 0))


@overload(exponential, jit_options={"nogil": True, "fastmath": FAST, "forceinline": True})
def _exponential(x):
    lowest = LOWEST[x.dtype]
    zero, last, *terms = (
        type(lowest)(c) for c in [0, *(1 / math.factorial(i) for i in range(DEGREE[x.dtype], -1, -1))]
    )
    terms = tuple(terms)

    def of_lanes(x):
        t = larger(smaller(x, spread(zero)), spread(lowest))
        power, k = power_of_two(t * LOG2E + 0.5)
        r = t - k * LN2
        y = spread(last)
        for term in terms:
            y = y * r + term
        return y * power

    return of_lanes
