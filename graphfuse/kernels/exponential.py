"""The exponential over a buffer, for CPU kernels: a polynomial that vectorises where the C library's does not."""

from __future__ import annotations

import math

import numpy as np

from graphfuse.kernels.jit import FAST, numba

TERMS = [1 / math.factorial(i) for i in range(12, 1, -1)]  # of exp on |r| <= log(2) / 2, to the last bit of float64
LANES = 16  # buffers are padded to whole vectors


@numba.njit(nogil=True, fastmath=FAST, forceinline=True)
def exponential(x, power, bits, count, shift, table):
    """Replace the first `count` entries of x by ``exp(x - shift)``, as ``2^k exp(r)`` with ``|r| <= log(2) / 2``.

    Relative error ``1e-7 (1 + |x - shift|)`` in float32; from ``exp(-87)`` down the result stays at ``exp(-87)``, in
    float64 at ``exp(-708)``.

    Parameters
    ----------
    x : array (P,)
        What lies above `shift` counts as `shift`; P is a multiple of `LANES`, and what lies behind `count` is spoilt.
    power, bits : array (P,), integer array (P,)
        One scratch memory seen as floats and as integers of the same size.
    count : int
    shift : float of x's type
    table : array
        Of `exponential_table`.
    """
    low, log2e, ln2, half, one, zero = table[0], table[1], table[2], table[3], table[4], x.dtype.type(0)
    unit, bias = np.int64(table[5]), np.int64(table[6])
    c12, c11, c10, c9, c8, c7 = table[7], table[8], table[9], table[10], table[11], table[12]
    c6, c5, c4, c3, c2 = table[13], table[14], table[15], table[16], table[17]
    padded = (count + LANES - 1) // LANES * LANES
    for i in range(padded):
        t = min(max(x[i] - shift, low), zero)
        k = bits.dtype.type(t * log2e - half)  # rounds to the nearest, for t <= 0
        r = t - x.dtype.type(k) * ln2
        high = c6 + r * (c7 + r * (c8 + r * (c9 + r * (c10 + r * (c11 + r * c12)))))
        x[i] = one + r * (one + r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * high)))))
        bits[i] = (k + bias) * unit  # the float 2^k
    for i in range(padded):
        x[i] *= power[i]


def exponential_table(kind: np.dtype) -> np.ndarray:
    """Return the constants of `exponential` for float32 or float64."""
    low, unit, bias = (-87.0, 2**23, 127) if kind == np.float32 else (-708.0, 2**52, 1023)
    return np.array([low, 1 / math.log(2), math.log(2), 0.5, 1.0, unit, bias, *TERMS], dtype=kind)
