"""What the CPU kernels of attention are made of: scores, sums over edges, draws of the dropout.

"near" is the node that owns a sum, "far" those at the other ends of its edges: targets own y and dq, sources dk and dv.
Each piece works on one node and head, row i of ``node * H + head``, and its `count` edges, whose other ends are the
rows ``ends[e] + h``. Compiled kernels are kept on disk by the age of `attention_cpu`: touch it after a change here.
"""

from __future__ import annotations

import numpy as np

from graphfuse.kernels.exponential import LANES
from graphfuse.kernels.jit import FAST, numba

piece = numba.njit(nogil=True, fastmath=FAST, forceinline=True)  # a call of so many arguments costs more than the work


@piece
def locate(ends, nodes, first, count, heads):
    """Write where the edges lead, the last one thrice more, as the pieces take four edges at once."""
    for e in range(count):
        ends[e] = nodes[first + e] * heads
    for e in range(count, count + 3):
        ends[e] = ends[max(count - 1, 0)]


@piece
def scores(x, near, i, far, ends, count, h, a, additive, slope, scale):
    """Write the scores; four edges at once, for each gives little to do."""
    width = near.shape[1]
    if additive and width == 1:
        for e in range(count):
            z = near[i, 0] + far[ends[e] + h, 0]
            x[e] = a[h, 0] * (z if z > 0 else slope * z)
        return
    for e in range(0, count, 4):
        f0 = ends[e] + h
        f1 = ends[e + 1] + h
        f2 = ends[e + 2] + h
        f3 = ends[e + 3] + h
        s0 = s1 = s2 = s3 = x.dtype.type(0)
        if additive:
            for j in range(width):
                z0, z1 = near[i, j] + far[f0, j], near[i, j] + far[f1, j]
                z2, z3 = near[i, j] + far[f2, j], near[i, j] + far[f3, j]
                s0 += a[h, j] * (z0 if z0 > 0 else slope * z0)
                s1 += a[h, j] * (z1 if z1 > 0 else slope * z1)
                s2 += a[h, j] * (z2 if z2 > 0 else slope * z2)
                s3 += a[h, j] * (z3 if z3 > 0 else slope * z3)
        else:
            for j in range(width):
                s0 += near[i, j] * far[f0, j]
                s1 += near[i, j] * far[f1, j]
                s2 += near[i, j] * far[f2, j]
                s3 += near[i, j] * far[f3, j]
            s0, s1, s2, s3 = s0 * scale, s1 * scale, s2 * scale, s3 * scale
        x[e], x[e + 1], x[e + 2], x[e + 3] = s0, s1, s2, s3


@piece
def add_rows(out, i, w, far, ends, count, h):
    """Add ``sum_e w_e far_e`` to row i of out, four edges at once; w is zero from `count` on."""
    for e in range(0, count, 4):
        w0, w1, w2, w3 = w[e], w[e + 1], w[e + 2], w[e + 3]
        f0 = ends[e] + h
        f1 = ends[e + 1] + h
        f2 = ends[e + 2] + h
        f3 = ends[e + 3] + h
        for d in range(out.shape[1]):
            out[i, d] += w0 * far[f0, d] + w1 * far[f1, d] + w2 * far[f2, d] + w3 * far[f3, d]


@piece
def _add_slopes(out, out_a, i, w, near, far, ends, count, h, a, slope):
    """Write the additive score's gradient ``a sum w LeakyReLU'`` to out; add ``sum w LeakyReLU`` to row h of out_a."""
    zero, one = w.dtype.type(0), w.dtype.type(1)
    width = near.shape[1]
    if width == 1:
        total = total_a = zero
        for e in range(count):
            z = near[i, 0] + far[ends[e] + h, 0]
            share = w[e] * (one if z > 0 else slope)
            total += share
            total_a += share * z
        out[i, 0] = total * a[h, 0]
        out_a[h, 0] += total_a
        return
    for j in range(width):
        out[i, j] = zero
    for e in range(0, count, 2):
        w0, w1 = w[e], w[e + 1]
        f0, f1 = ends[e] + h, ends[e + 1] + h
        for j in range(width):
            z0, z1 = near[i, j] + far[f0, j], near[i, j] + far[f1, j]
            share0, share1 = w0 * (one if z0 > 0 else slope), w1 * (one if z1 > 0 else slope)
            out[i, j] += share0 + share1
            out_a[h, j] += share0 * z0 + share1 * z1
    for j in range(width):
        out[i, j] *= a[h, j]


@piece
def score_gradient(out, out_a, i, w, near, far, ends, count, h, a, additive, slope, scale):
    """Write what the gradients w to the scores give node i, and add what they give `a`."""
    if additive:
        _add_slopes(out, out_a, i, w, near, far, ends, count, h, a, slope)
        return
    for j in range(out.shape[1]):
        out[i, j] = w.dtype.type(0)
    add_rows(out, i, w, far, ends, count, h)
    for j in range(out.shape[1]):
        out[i, j] *= scale


@piece
def _mix(x):
    """Wellons's hash "lowbias32"."""
    low = np.uint64(0xFFFFFFFF)
    x = (x ^ (x >> np.uint64(16))) * np.uint64(0x7FEB352D) & low
    x = (x ^ (x >> np.uint64(15))) * np.uint64(0x846CA68B) & low
    return x ^ (x >> np.uint64(16))


@piece
def keep(w, numbers, first, count, heads, h, seed, threshold, factor):
    """Multiply by the dropout's draws; without `numbers` the edges are their own."""
    own, zero = len(numbers) == 0, w.dtype.type(0)
    for e in range(count):
        number = first + e if own else np.int64(numbers[first + e])
        counter = np.uint64(number * heads + h) & np.uint64(0xFFFFFFFF)
        w[e] *= factor if _mix(_mix(counter) ^ np.uint64(seed)) >= np.uint64(threshold) else zero


@piece
def longest_row(pointers, begin, end):
    """Return the length of a buffer for the edges of any of the nodes."""
    longest = 0
    for i in range(begin, end):
        longest = max(longest, pointers[i + 1] - pointers[i])
    return (longest + LANES - 1) // LANES * LANES + LANES
