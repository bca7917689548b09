"""Attention over edges on the CPU: a row, then a column, at a time; buffers hold the scores of one of them.

The plain twin and the meaning of the arguments are in `attention_reference`, what the kernels are made of is in
`attention_pieces`. Nodes and heads are one axis, ``node * H + head``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse.kernels.attention_pieces import add_rows, keep, locate, longest_row, score_gradient, scores
from graphfuse.kernels.exponential import exponential, exponential_table
from graphfuse.kernels.jit import ROWS_A_THREAD, jit, over_rows

BLOCK = 256  # rows whose share of the gradient to `a` is summed together, whoever computes them


@jit
def _forward(begin, end, y, lse, q, k, v, a, edge, crow, col, heads, additive, slope, scale, drop, table, bits):
    kind = q.dtype.type
    slope, scale, low = kind(slope), kind(scale), kind(-np.inf)
    seed, threshold, factor = drop
    longest = longest_row(crow, begin, end)
    p, power = np.zeros(longest, q.dtype), np.zeros(longest, q.dtype)
    exponent, ends = power.view(bits.dtype), np.zeros(longest, np.int64)
    for row in range(begin, end):
        first, count = crow[row], crow[row + 1] - crow[row]
        locate(ends, col, first, count, heads)
        for h in range(heads):
            i = row * heads + h
            for d in range(y.shape[1]):
                y[i, d] = kind(0)
            scores(p, q, i, k, ends, count, h, a, additive, slope, scale)
            if len(edge):
                for e in range(count):
                    p[e] = p[e] if edge[first + e] else low
            peak = low
            for e in range(count):
                peak = max(peak, p[e])
            if peak == low:  # no edge
                lse[i] = kind(0)
                continue
            exponential(p, power, exponent, count, peak, table)
            if len(edge):
                for e in range(count):
                    p[e] *= edge[first + e]
            total = kind(0)
            for e in range(count):
                total += p[e]
            lse[i] = peak + kind(np.log(total))
            if threshold:
                keep(p, edge[:0], first, count, heads, h, seed, threshold, kind(factor))
            share = kind(1) / total
            for e in range(count):
                p[e] *= share
            for e in range(count, count + 3):
                p[e] = kind(0)
            add_rows(y, i, p, v, ends, count, h)


@jit
def _backward_targets(
    begin,
    end,
    dq,
    da,
    delta,
    grad,
    y,
    lse,
    q,
    k,
    v,
    a,
    edge,
    crow,
    col,
    heads,
    additive,
    slope,
    scale,
    drop,
    table,
    bits,
):
    """Own dq, and a row of da for each block of targets; `begin` and `end` count blocks."""
    kind, targets = q.dtype.type, len(crow) - 1
    slope, scale, one = kind(slope), kind(scale), kind(1)
    seed, threshold, factor = drop
    longest = longest_row(crow, min(begin * BLOCK, targets), min(end * BLOCK, targets))
    p, m, power = np.zeros(longest, q.dtype), np.zeros(longest, q.dtype), np.zeros(longest, q.dtype)
    exponent, ends = power.view(bits.dtype), np.zeros(longest, np.int64)
    for block in range(begin, end):
        da_block = da[block]
        for row in range(block * BLOCK, min(block * BLOCK + BLOCK, targets)):
            first, count = crow[row], crow[row + 1] - crow[row]
            locate(ends, col, first, count, heads)
            for h in range(heads):
                i = row * heads + h
                inner = kind(0)
                for d in range(y.shape[1]):
                    inner += grad[i, d] * y[i, d]
                delta[i] = inner
                scores(p, q, i, k, ends, count, h, a, additive, slope, scale)
                exponential(p, power, exponent, count, lse[i], table)
                if len(edge):
                    for e in range(count):
                        p[e] *= edge[first + e]
                scores(m, grad, i, v, ends, count, h, a, False, slope, one)
                if threshold:
                    keep(m, edge[:0], first, count, heads, h, seed, threshold, kind(factor))
                for e in range(count):
                    p[e] *= m[e] - inner
                for e in range(count, count + 3):
                    p[e] = kind(0)
                score_gradient(dq, da_block, i, p, q, k, ends, count, h, a, additive, slope, scale)


@jit
def _backward_sources(
    begin,
    end,
    dk,
    dv,
    delta,
    grad,
    lse,
    q,
    k,
    v,
    a,
    edge,
    tcrow,
    tcol,
    order,
    heads,
    additive,
    slope,
    scale,
    drop,
    table,
    bits,
):
    """Own dk and dv; an edge is `order[e]` of the forward pass."""
    kind = q.dtype.type
    slope, scale, one = kind(slope), kind(scale), kind(1)
    seed, threshold, factor = drop
    longest = longest_row(tcrow, begin, end)
    p, m, power = np.zeros(longest, q.dtype), np.zeros(longest, q.dtype), np.zeros(longest, q.dtype)
    w = np.zeros(longest, q.dtype)
    exponent, ends = power.view(bits.dtype), np.zeros(longest, np.int64)
    unused = np.zeros((heads, k.shape[1]), q.dtype)
    for row in range(begin, end):
        first, count = tcrow[row], tcrow[row + 1] - tcrow[row]
        locate(ends, tcol, first, count, heads)
        for h in range(heads):
            i = row * heads + h
            scores(p, k, i, q, ends, count, h, a, additive, slope, scale)
            for e in range(count):
                p[e] -= lse[ends[e] + h]
            exponential(p, power, exponent, count, kind(0), table)
            if len(edge):
                for e in range(count):
                    p[e] *= edge[order[first + e]]
            scores(m, v, i, grad, ends, count, h, a, False, slope, one)
            for e in range(count):
                w[e] = p[e]
            if threshold:
                keep(w, order, first, count, heads, h, seed, threshold, kind(factor))
            for e in range(count):
                p[e] = w[e] * m[e] - p[e] * delta[ends[e] + h]
            for e in range(count, count + 3):
                p[e] = w[e] = kind(0)
            for d in range(dv.shape[1]):
                dv[i, d] = kind(0)
            add_rows(dv, i, w, grad, ends, count, h)
            score_gradient(dk, unused, i, p, k, q, ends, count, h, a, additive, slope, scale)


# ---- what the operation calls


def attend_forward(q, k, v, a, edge, crow, col, kind, slope, scale, dropout, seed) -> tuple[Tensor, Tensor]:
    """Return y (n, H, D) and lse (n, H): `attend_reference` on the CPU, in float32 or float64."""
    (n, heads, _), width = q.shape, v.shape[2]
    y, lse = v.new_empty(n * heads, width), q.new_empty(n * heads)
    settings = _settings(q, a, edge, kind, slope, scale, dropout, seed)
    over_rows(_forward, n, y, lse, *_nodes(q, k, v), *settings[:2], crow, col, *settings[2:])
    return y.view(n, heads, width), lse.view(n, heads)


def attend_backward(
    grad, y, lse, q, k, v, a, edge, crow, col, tcrow, tcol, order, kind, slope, scale, dropout, seed
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return dq, dk, dv and da: `attend_backward_reference` on the CPU, the same bits for any threads."""
    n, heads, width = q.shape
    blocks = (n + BLOCK - 1) // BLOCK
    dq, dk, dv = (x.new_empty(len(x) * heads, x.shape[2]) for x in (q, k, v))
    da, delta, lse = q.new_zeros(blocks, heads, width), q.new_empty(n * heads), lse.flatten()
    a_, edge_, *rest = _settings(q, a, edge, kind, slope, scale, dropout, seed)
    grad, y, flat = *_nodes(grad, y), _nodes(q, k, v)
    over_rows(
        _backward_targets,
        blocks,
        dq,
        da,
        delta,
        grad,
        y,
        lse,
        *flat,
        a_,
        edge_,
        crow,
        col,
        *rest,
        least=max(ROWS_A_THREAD // BLOCK, 1),
    )
    over_rows(_backward_sources, len(k), dk, dv, delta, grad, lse, *flat, a_, edge_, tcrow, tcol, order, *rest)
    return dq.view_as(q), dk.view_as(k), dv.view_as(v), None if a is None else da.sum(0)


def _nodes(*tensors: Tensor) -> list[Tensor]:
    """Return tensors (nodes, H, J) as (nodes * H, J)."""
    return [x.reshape(x.shape[0] * x.shape[1], x.shape[2]) for x in tensors]


def _settings(q, a, edge, kind, slope, scale, dropout, seed) -> list:
    """Return what all kernels take: empty arrays stand for None, so that each kernel is compiled once a type."""
    dtype = np.dtype(np.float32 if q.dtype == torch.float32 else np.float64)
    bits = np.empty(0, np.int32 if dtype == np.float32 else np.int64)
    a = q.new_empty(0, 0) if a is None else a
    edge = torch.empty(0, dtype=torch.uint8) if edge is None else edge
    drop = (seed, int(dropout * 2**32), 1 / (1 - dropout) if dropout < 1 else 0.0)
    additive = kind == "additive"
    return [a, edge, q.shape[1], additive, slope, scale, drop, exponential_table(dtype), bits]
