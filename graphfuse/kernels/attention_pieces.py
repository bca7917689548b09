"""What the CPU kernels of attention are made of: scores, sums over edges, draws of the dropout.

"near" is the node that owns a sum, "far" those at the other ends of its edges: targets own y and dq, sources dk and dv.
Each piece works on one node and head, row i of ``node * H + head``, and its `count` edges, whose other ends are the
rows ``ends[e] + h``. What lies behind `count` in the buffer of an edge's number is there to fill up lanes, as zeros at
the end. Arrays are pointers of `lanes`. Widths are multiples of `LANES`, but 1 for a score that came in two halves.
"""

from __future__ import annotations

import numpy as np

from graphfuse.kernels.exponential import exponential
from graphfuse.kernels.jit import FAST, numba
from graphfuse.kernels.lanes import LANES, larger, load, peak, store, take, total, totals, where_positive, zeros

piece = numba.njit(nogil=True, fastmath=FAST, forceinline=True)  # a call of so many arguments costs more than the work


@piece
def longest_row(first, begin, end):
    """Return the length of a buffer for the edges of any of the nodes."""
    longest = 0
    for i in range(begin, end):
        longest = max(longest, first[i + 1] - first[i])
    return longest + 2 * LANES


@piece
def locate(ends, nodes, first, count, heads):
    """Write where the edges lead, and the last one again, as the pieces take several edges at once."""
    for e in range(count):
        ends[e] = nodes[first + e] * heads
    last = ends[count - 1] if count else 0
    for e in range(count, count + LANES):
        ends[e] = last


# ---- scores


@piece
def scores(x, near, i, far, width, ends, count, h, a, additive, slope, scale):
    """Write the scores."""
    if additive and width == 1:
        _scores_in_halves(x, near, i, far, ends, count, h, a, slope)
    elif additive:
        _by_edge(_additive_score, (near, i, far, width, a, h, slope), x, ends, count, h, 1.0)
    else:
        products(x, near, i, far, width, ends, count, h, scale)


@piece
def _scores_in_halves(x, near, i, far, ends, count, h, a, slope):
    for e in range(0, count, LANES):
        z = take(far, ends, e, h) + near[i]
        store(x, e, where_positive(z, z, z * slope) * a[h])


@piece
def products(x, near, i, far, width, ends, count, h, scale):
    """Write ``scale near . far``."""
    _by_edge(_product, (near, i, far, width), x, ends, count, h, scale)


@piece
def _by_edge(score, arguments, x, ends, count, h, scale):
    """Write `scale` times the totals of ``score(f, arguments)``, f the far end of each edge."""
    for e in range(0, count, LANES):
        lanes = (
            score(ends[e] + h, arguments),
            score(ends[e + 1] + h, arguments),
            score(ends[e + 2] + h, arguments),
            score(ends[e + 3] + h, arguments),
            score(ends[e + 4] + h, arguments),
            score(ends[e + 5] + h, arguments),
            score(ends[e + 6] + h, arguments),
            score(ends[e + 7] + h, arguments),
        )
        store(x, e, totals(lanes) * scale)


@piece
def _additive_score(f, arguments):
    near, i, far, width, a, h, slope = arguments
    i, f, h = i * width, f * width, h * width
    s = _additive_part(near, i, far, f, a, h, slope)
    for j in range(LANES, width, LANES):
        s += _additive_part(near, i + j, far, f + j, a, h + j, slope)
    return s


@piece
def _additive_part(near, i, far, f, a, h, slope):
    z = load(near, i) + load(far, f)
    return where_positive(z, z, z * slope) * load(a, h)


@piece
def _product(f, arguments):
    near, i, far, width = arguments
    i, f = i * width, f * width
    s = load(near, i) * load(far, f)  # a loop of no rounds is left sooner than one of one round
    for j in range(LANES, width, LANES):
        s += load(near, i + j) * load(far, f + j)
    return s


@piece
def inner(x, y, i, width):
    """Return the product of rows i of x and y."""
    return total(_product(i, (x, i, y, width)))


# ---- the softmax


@piece
def largest(x, count):
    """Return the largest of the first numbers, behind which there are `LANES` that are smaller."""
    top = load(x, 0)
    for e in range(LANES, count, LANES):
        top = larger(top, load(x, e))
    return peak(top)


@piece
def powers(x, count, top):
    """Replace the first numbers by ``exp(x - top)`` and return their sum."""
    s = zeros(x)
    for e in range(0, count, LANES):
        power = exponential(load(x, e) - top)
        store(x, e, power)
        s += power
    return total(s)


# ---- sums over edges


@piece
def add_rows(out, i, w, far, width, ends, count, h, scale):
    """Write ``scale sum_e w_e far_e`` to row i of out: four lanes wide, then what is left by four edges at once."""
    wide = width // (4 * LANES) * 4 * LANES
    for d in range(0, wide, 4 * LANES):
        s0 = s1 = s2 = s3 = zeros(w)
        for e in range(count):
            share, f = w[e], (ends[e] + h) * width + d
            s0 += share * load(far, f)
            s1 += share * load(far, f + LANES)
            s2 += share * load(far, f + 2 * LANES)
            s3 += share * load(far, f + 3 * LANES)
        store(out, i * width + d, s0 * scale)
        store(out, i * width + d + LANES, s1 * scale)
        store(out, i * width + d + 2 * LANES, s2 * scale)
        store(out, i * width + d + 3 * LANES, s3 * scale)
    for d in range(wide, width, LANES):
        s0 = s1 = s2 = s3 = zeros(w)
        for e in range(0, count, 4):
            s0 += w[e] * load(far, (ends[e] + h) * width + d)
            s1 += w[e + 1] * load(far, (ends[e + 1] + h) * width + d)
            s2 += w[e + 2] * load(far, (ends[e + 2] + h) * width + d)
            s3 += w[e + 3] * load(far, (ends[e + 3] + h) * width + d)
        store(out, i * width + d, (s0 + s1 + (s2 + s3)) * scale)


@piece
def score_gradient(out, out_a, i, w, near, far, width, ends, count, h, a, additive, slope, scale):
    """Write what the gradients w to the scores give node i, and add what they give `a`."""
    if additive and width == 1:
        _slopes_in_halves(out, out_a, i, w, near, far, ends, count, h, a, slope)
    elif additive:
        _slopes(out, out_a, i, w, near, far, width, ends, count, h, a, slope)
    else:
        add_rows(out, i, w, far, width, ends, count, h, scale)


@piece
def _slopes_in_halves(out, out_a, i, w, near, far, ends, count, h, a, slope):
    s = s_a = zeros(w)
    for e in range(0, count, LANES):
        z = take(far, ends, e, h) + near[i]
        share = where_positive(z, zeros(w) + 1.0, zeros(w) + slope) * load(w, e)
        s += share
        s_a += share * z
    out[i] = total(s) * a[h]
    out_a[h] += total(s_a)


@piece
def _slopes(out, out_a, i, w, near, far, width, ends, count, h, a, slope):
    """Write the additive score's gradient ``a sum w LeakyReLU'`` to out; add ``sum w LeakyReLU`` to row h of out_a."""
    for j in range(0, width, LANES):
        own, s, s_a = load(near, i * width + j), zeros(w), load(out_a, h * width + j)
        for e in range(count):
            z = own + load(far, (ends[e] + h) * width + j)
            share = where_positive(z, zeros(w) + 1.0, zeros(w) + slope) * w[e]
            s += share
            s_a += share * z
        store(out, i * width + j, s * load(a, h * width + j))
        store(out_a, h * width + j, s_a)


# ---- the dropout


@piece
def _mix(x):
    """Wellons's hash "lowbias32"."""
    low = np.uint64(0xFFFFFFFF)
    x = (x ^ (x >> np.uint64(16))) * np.uint64(0x7FEB352D) & low
    x = (x ^ (x >> np.uint64(15))) * np.uint64(0x846CA68B) & low
    return x ^ (x >> np.uint64(16))


@piece
def draw(number, heads, h, seed, threshold, factor):
    """Return what the dropout multiplies the coefficient of an edge with."""
    counter = np.uint64(np.int64(number) * heads + h) & np.uint64(0xFFFFFFFF)
    return factor if _mix(_mix(counter) ^ np.uint64(seed)) >= np.uint64(threshold) else factor - factor
