"""Attention over edges on the CPU: a row, then a column, at a time; buffers hold the scores of one of them.

The plain twin and the meaning of the arguments are in `attention_reference`, what the kernels are made of is in
`attention_pieces`. Nodes and heads are one axis, ``node * H + head``, and arrays are flat. A kernel makes buffers and
calls its twin in rows, which works with pointers. Arguments come in tuples: what is written, q, k, v and a, the edges,
and `_settings`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from graphfuse.kernels.attention_pieces import (
    add_rows,
    draw,
    inner,
    largest,
    locate,
    longest_row,
    piece,
    powers,
    products,
    score_gradient,
    scores,
)
from graphfuse.kernels.exponential import exponential
from graphfuse.kernels.jit import ROWS_A_THREAD, jit, over_rows
from graphfuse.kernels.lanes import LANES, load, pointers, spread, store, take, zeros

BLOCK = 256  # rows whose share of the gradient to `a` is summed together, whoever computes them


@jit
def _forward(begin, end, out, nodes, edges, settings):
    q, crow = nodes[0], edges[1]
    longest = longest_row(crow, begin, end)
    buffers = np.empty(longest, q.dtype), np.empty(longest, np.int64)
    _forward_rows(begin, end, out, nodes, edges, settings, buffers)


@piece
def _forward_rows(begin, end, out, nodes, edges, settings, buffers):
    """Write y, and the largest score of each row and head and the sum of its powers."""
    kind, masked = nodes[0].dtype.type, len(edges[0]) > 0
    (y, tops, totals), (q, k, v, a) = pointers(out), pointers(nodes)
    (edge, crow, col), (p, ends) = pointers(edges), pointers(buffers)
    (score_width, width), heads, additive, slope, scale, (seed, threshold, factor) = settings
    slope, scale, factor, low = kind(slope), kind(scale), kind(factor), kind(-np.inf)
    for row in range(begin, end):
        first, count = crow[row], crow[row + 1] - crow[row]
        locate(ends, col, first, count, heads)
        for h in range(heads):
            i = row * heads + h
            scores(p, q, i, k, score_width, ends, count, h, a, additive, slope, scale)
            if masked:
                for e in range(count):
                    p[e] = p[e] if edge[first + e] else low
            store(p, count, spread(low))
            top = largest(p, count)
            if top == low:  # no edge
                tops[i], totals[i] = kind(0), kind(1)
                add_rows(y, i, p, v, width, ends, 0, h, kind(0))
                continue
            tops[i], totals[i] = top, powers(p, count, top)
            store(p, count, zeros(p))
            if masked:
                for e in range(count):
                    p[e] *= edge[first + e]
            if threshold:
                for e in range(count):
                    p[e] *= draw(first + e, heads, h, seed, threshold, factor)
            add_rows(y, i, p, v, width, ends, count, h, kind(1) / totals[i])


@jit
def _backward_targets(begin, end, out, given, nodes, edges, settings):
    """Own dq, and a row of da for each block of targets; `begin` and `end` count blocks."""
    (dq, da, delta), q, crow = out, nodes[0], edges[1]
    for block in range(begin, end):
        first, last = block * BLOCK, min(block * BLOCK + BLOCK, len(crow) - 1)
        longest = longest_row(crow, first, last)
        buffers = np.empty(longest, q.dtype), np.empty(longest, q.dtype), np.empty(longest, np.int64)
        _backward_target_rows(first, last, (dq, da[block], delta), given, nodes, edges, settings, buffers)


@piece
def _backward_target_rows(begin, end, out, given, nodes, edges, settings, buffers):
    kind, masked = nodes[0].dtype.type, len(edges[0]) > 0
    (dq, da, delta), (grad, y, lse), (q, k, v, a) = pointers(out), pointers(given), pointers(nodes)
    (edge, crow, col), (p, m, ends) = pointers(edges), pointers(buffers)
    (score_width, width), heads, additive, slope, scale, (seed, threshold, factor) = settings
    slope, scale, factor = kind(slope), kind(scale), kind(factor)
    for row in range(begin, end):
        first, count = crow[row], crow[row + 1] - crow[row]
        locate(ends, col, first, count, heads)
        for h in range(heads):
            i = row * heads + h
            delta[i] = inner(grad, y, i, width)
            scores(p, q, i, k, score_width, ends, count, h, a, additive, slope, scale)
            products(m, grad, i, v, width, ends, count, h, kind(1))
            if threshold:
                for e in range(count):
                    m[e] *= draw(first + e, heads, h, seed, threshold, factor)
            for e in range(0, count, LANES):
                store(p, e, exponential(load(p, e) - lse[i]) * (load(m, e) - delta[i]))
            store(p, count, zeros(p))
            if masked:
                for e in range(count):
                    p[e] *= edge[first + e]
            score_gradient(dq, da, i, p, q, k, score_width, ends, count, h, a, additive, slope, scale)


@jit
def _backward_sources(begin, end, out, given, nodes, edges, settings):
    """Own dk and dv; an edge is `order[e]` of the forward pass."""
    q, tcrow, widths, heads = nodes[0], edges[1], settings[0], settings[1]
    longest = longest_row(tcrow, begin, end)
    p, m, w = np.empty(longest, q.dtype), np.empty(longest, q.dtype), np.empty(longest, q.dtype)
    buffers = p, m, w, np.empty(longest, np.int64), np.zeros(heads * widths[0], q.dtype)
    _backward_source_rows(begin, end, out, given, nodes, edges, settings, buffers)


@piece
def _backward_source_rows(begin, end, out, given, nodes, edges, settings, buffers):
    kind, masked = nodes[0].dtype.type, len(edges[0]) > 0
    (dk, dv), (grad, delta, lse), (q, k, v, a) = pointers(out), pointers(given), pointers(nodes)
    (edge, tcrow, tcol, order), (p, m, w, ends, unused) = pointers(edges), pointers(buffers)
    (score_width, width), heads, additive, slope, scale, (seed, threshold, factor) = settings
    slope, scale, factor = kind(slope), kind(scale), kind(factor)
    for row in range(begin, end):
        first, count = tcrow[row], tcrow[row + 1] - tcrow[row]
        locate(ends, tcol, first, count, heads)
        for h in range(heads):
            i = row * heads + h
            scores(p, k, i, q, score_width, ends, count, h, a, additive, slope, scale)
            products(m, v, i, grad, width, ends, count, h, kind(1))
            for e in range(0, count, LANES):
                store(w, e, zeros(w) + 1.0)
            if threshold:
                for e in range(count):
                    w[e] = draw(order[first + e], heads, h, seed, threshold, factor)
            for e in range(0, count, LANES):
                power = exponential(load(p, e) - take(lse, ends, e, h))
                share = power * load(w, e)
                store(w, e, share)
                store(p, e, share * load(m, e) - power * take(delta, ends, e, h))
            store(p, count, zeros(p))
            store(w, count, zeros(w))
            if masked:
                for e in range(count):
                    p[e] *= edge[order[first + e]]
                    w[e] *= edge[order[first + e]]
            add_rows(dv, i, w, grad, width, ends, count, h, kind(1))
            score_gradient(dk, unused, i, p, k, q, score_width, ends, count, h, a, additive, slope, scale)


# ---- what the operation calls


def attend_forward(q, k, v, a, edge, crow, col, kind, slope, scale, dropout, seed) -> tuple[Tensor, Tensor]:
    """Return y (n, H, D) and lse (n, H): `attend_reference` on the CPU, in float32 or float64."""
    settings = _settings(q, v, kind, slope, scale, dropout, seed)
    (n, heads, _), (_, width) = q.shape, settings[0]
    y, tops, totals = v.new_empty(n * heads * width), q.new_empty(n * heads), q.new_empty(n * heads)
    nodes, edges = _nodes(q, k, v, a, *settings[0]), _arrays(_mask(edge), crow, col)
    over_rows(_forward, n, _arrays(y, tops, totals), nodes, edges, settings)
    return _narrow(y, (n, *v.shape[1:])), tops.add_(totals.log_()).view(n, heads)


def attend_backward(
    grad, y, lse, q, k, v, a, edge, crow, col, tcrow, tcol, order, kind, slope, scale, dropout, seed
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return dq, dk, dv and da: `attend_backward_reference` on the CPU, the same bits for any threads."""
    settings = _settings(q, v, kind, slope, scale, dropout, seed)
    (n, heads, _), (score_width, width) = q.shape, settings[0]
    blocks = (n + BLOCK - 1) // BLOCK
    dq, dk = (q.new_empty(len(x) * heads * score_width) for x in (q, k))
    dv, da = v.new_empty(len(v) * heads * width), q.new_zeros(blocks, heads * score_width)
    grad, y, lse, delta = _flat(grad, width), _flat(y, width), lse.flatten(), q.new_empty(n * heads)
    nodes, mask = _nodes(q, k, v, a, score_width, width), _mask(edge)
    by_target = _arrays(dq, da, delta), _arrays(grad, y, lse), nodes, _arrays(mask, crow, col), settings
    by_source = _arrays(dk, dv), _arrays(grad, delta, lse), nodes, _arrays(mask, tcrow, tcol, order), settings
    over_rows(_backward_targets, blocks, *by_target, least=max(ROWS_A_THREAD // BLOCK, 1))
    over_rows(_backward_sources, len(k), *by_source)
    da = None if a is None else _narrow(da.sum(0), a.shape)
    return _narrow(dq, q.shape), _narrow(dk, k.shape), _narrow(dv, v.shape), da


def _settings(q: Tensor, v: Tensor, kind: str, slope, scale, dropout, seed) -> tuple:
    """Return what all kernels take last, the padded widths of scores and values first."""
    additive, (_, heads, width) = kind == "additive", q.shape
    widths = (1 if additive and width == 1 else _padded(width), _padded(v.shape[2]))
    drop = (seed, int(dropout * 2**32), 1 / (1 - dropout) if dropout < 1 else 0.0)
    return widths, heads, additive, float(slope), float(scale), drop


def _nodes(q: Tensor, k: Tensor, v: Tensor, a: Tensor | None, score_width: int, width: int) -> tuple[np.ndarray, ...]:
    """Return q, k, v and a flat; an empty `a` stands for None, so that each kernel is compiled once a type."""
    a = q.new_empty(0) if a is None else _flat(a, score_width)
    return _arrays(_flat(q, score_width), _flat(k, score_width), _flat(v, width), a)


def _mask(edge: Tensor | None) -> Tensor:
    return torch.empty(0, dtype=torch.uint8) if edge is None else edge


def _arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(x.detach().numpy() for x in tensors)


def _padded(width: int) -> int:
    return -(-width // LANES) * LANES


def _flat(x: Tensor, width: int) -> Tensor:
    """Return x (..., J) flat, with zeros behind each of its rows up to `width`."""
    return (x if x.shape[-1] == width else pad(x, (0, width - x.shape[-1]))).flatten()


def _narrow(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return what `_flat` made wider in its `shape`."""
    return x.view(*shape[:-1], -1)[..., : shape[-1]].contiguous()
