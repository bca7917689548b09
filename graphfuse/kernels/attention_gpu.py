"""Attention over the edges of sparse graphs on a GPU, in Triton: neither scores nor coefficients are stored.

Formulas and arguments: see `attend_reference` in `attention`. A program owns targets (forward, gradient to q), or a
source and the edges that leave it (gradients to k and v); it walks over its edges in order: no atomics, the same bits
every run. The gradient to a is summed by blocks of targets, then over the blocks. Scalars travel as float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
import triton
import triton.language as tl
from torch import Tensor

LOWEST = tl.constexpr(-3e38)  # below every score; finite, so that no difference is NaN
TILE = 1024  # numbers of a tile of edges x heads x features
PROGRAMS = 4096  # partial sums of the gradient to a, at most
DROPS_ALL = 2**32
TYPES = {  # of the kernels' arguments, "real" being that of q
    **dict.fromkeys(("q", "k", "v", "a", "y", "lse", "grad", "delta", "dq", "dk", "dv", "da"), "*real"),
    **dict.fromkeys(("crow", "col", "tcrow", "tcol", "order"), "*i32"),
    **dict.fromkeys(("heads", "inner", "width", "targets", "rows", "seed"), "i32"),
    **dict.fromkeys(("slope", "scale", "inverse"), "fp32"),
    "edge": "*u8",
    "limit": "i64",
}
BUILT = {"GAT": (8, 1, 8), "one head": (1, 1, 64), "GATv2": (8, 8, 8), "transformer": (4, 64, 64)}  # H, J, D


@triton.jit
def _tile(base, nodes, h, j, heads, width, live):
    """Rows of a tensor (nodes, heads, width) as (E, H, J); 0 outside and where a row is not live."""
    place = (nodes[:, None, None].to(tl.int64) * heads + h[None, :, None]) * width + j[None, None, :]
    inside = (h < heads)[None, :, None] & (j < width)[None, None, :]
    return tl.load(base + place, mask=live[:, None, None] & inside, other=0.0)


@triton.jit
def _put(base, node, h, j, heads, width, value):
    """Store the row (H, J) of a tensor (nodes, heads, width)."""
    place = (node * heads + h[:, None]) * width + j[None, :]
    tl.store(base + place, value, mask=(h < heads)[:, None] & (j < width)[None, :])


@triton.jit
def _score(q, k, a, slope, scale):
    """Scores (E, H) of q and k, which broadcast to (E, H, J)."""
    if a is None:
        score = scale * tl.sum(q * k, 2)
    else:
        z = q + k
        score = tl.sum(a * tl.where(z > 0, z, slope * z), 2)
    return score


@triton.jit
def _slope_of_score(q, k, a, slope):
    """Derivative of an additive score to q, which is that to k, (E, H, J)."""
    return a * tl.where(q + k > 0, 1.0, slope)


@triton.jit
def _mix(x):
    """Wellons's hash "lowbias32"."""
    x = (x ^ (x >> 16)) * 0x7FEB352D
    x = (x ^ (x >> 15)) * 0x846CA68B
    return x ^ (x >> 16)


@triton.jit
def _kept(edges, h, heads, limit, inverse, seed):
    """What a coefficient is multiplied with, (E, H): `inverse` where its draw is not below `limit`, else 0."""
    counter = (edges[:, None] * heads + h[None, :]).to(tl.uint32)
    draw = _mix(_mix(counter) ^ seed.to(tl.uint32))
    return tl.where(draw.to(tl.int64) >= limit, inverse, 0.0)


@triton.jit
def _live(edge, edges, inside):
    """Which of the stored edges inside a row are edges."""
    if edge is not None:
        inside = inside & (tl.load(edge + edges, mask=inside, other=0) != 0)
    return inside


@triton.jit
def _a_row(a, h, j, heads, width):
    """The weights of the score as (1, H, J), or None."""
    one = tl.arange(0, 1)
    return None if a is None else _tile(a, one, h, j, heads, width, one == 0)


@triton.jit
def _forward_kernel(
    q, k, v, a, edge, crow, col, y, lse, heads, inner, width, slope, scale, limit, inverse, seed,
    DROPOUT: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_H: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """One target: softmax and sum over its edges in one walk, rescaled whenever the largest score grows."""
    row, h = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK_H + tl.arange(0, BLOCK_H)
    j, d = tl.arange(0, BLOCK_J), tl.arange(0, BLOCK_D)
    one = tl.arange(0, 1)
    weights = _a_row(a, h, j, heads, inner)
    query = _tile(q, row + one, h, j, heads, inner, one == 0)  # (1, H, J)
    peak = tl.full((BLOCK_H,), LOWEST, q.dtype.element_ty)
    total = tl.zeros((BLOCK_H,), q.dtype.element_ty)
    sums = tl.zeros((BLOCK_H, BLOCK_D), q.dtype.element_ty)
    begin, end = tl.load(crow + row).to(tl.int64), tl.load(crow + row + 1).to(tl.int64)
    for first in range(begin, end, BLOCK_E):
        edges = first + tl.arange(0, BLOCK_E)
        live = _live(edge, edges, edges < end)
        source = tl.load(col + edges, mask=live, other=0)
        score = _score(query, _tile(k, source, h, j, heads, inner, live), weights, slope, scale)
        score = tl.where(live[:, None], score.to(peak.dtype), LOWEST)  # (E, H)
        higher = tl.maximum(peak, tl.max(score, 0))
        power = tl.where(live[:, None], tl.exp(score - higher[None, :]), 0.0)
        fade = tl.exp(peak - higher)
        total = total * fade + tl.sum(power, 0)
        if DROPOUT:
            power *= _kept(edges, h, heads, limit, inverse, seed)
        sums = sums * fade[:, None] + tl.sum(power[:, :, None] * _tile(v, source, h, d, heads, width, live), 0)
        peak = higher
    some = total > 0
    total = tl.where(some, total, 1.0)
    _put(y, row, h, d, heads, width, sums / total[:, None])
    tl.store(lse + row * heads + h, tl.where(some, peak + tl.log(total), 0.0), mask=h < heads)


@triton.jit
def _to_score(alpha, keep, grad, value, delta, live):
    """Gradient to the scores, ``alpha (keep grad . v - delta)``, (E, H)."""
    return tl.where(live[:, None], alpha * (keep * tl.sum(grad * value, 2) - delta), 0.0)


@triton.jit
def _target_kernel(
    grad, y, lse, q, k, v, a, edge, crow, col, dq, da, delta, targets, rows, heads, inner, width,
    slope, scale, limit, inverse, seed,
    DROPOUT: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_H: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """Some targets one after another: gradient to their q, ``delta = grad . y``, their share of the gradient to a."""
    block, h = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK_H + tl.arange(0, BLOCK_H)
    j, d = tl.arange(0, BLOCK_J), tl.arange(0, BLOCK_D)
    one = tl.arange(0, 1)
    weights = _a_row(a, h, j, heads, inner)
    da_sum = tl.zeros((BLOCK_H, BLOCK_J), q.dtype.element_ty)
    for row in range(block * rows, tl.minimum(block * rows + rows, targets)):
        query = _tile(q, row + one, h, j, heads, inner, one == 0)  # (1, H, J)
        incoming = _tile(grad, row + one, h, d, heads, width, one == 0)  # (1, H, D)
        delta_row = tl.sum(incoming * _tile(y, row + one, h, d, heads, width, one == 0), 2)  # (1, H)
        tl.store(delta + row * heads + h[None, :], delta_row, mask=(h < heads)[None, :])
        lse_row = tl.load(lse + row * heads + h, mask=h < heads, other=0.0)
        dq_sum = tl.zeros((BLOCK_H, BLOCK_J), q.dtype.element_ty)
        begin, end = tl.load(crow + row).to(tl.int64), tl.load(crow + row + 1).to(tl.int64)
        for first in range(begin, end, BLOCK_E):
            edges = first + tl.arange(0, BLOCK_E)
            live = _live(edge, edges, edges < end)
            source = tl.load(col + edges, mask=live, other=0)
            key = _tile(k, source, h, j, heads, inner, live)
            alpha = tl.exp(tl.where(live[:, None], _score(query, key, weights, slope, scale) - lse_row[None, :], 0.0))
            keep = tl.full((BLOCK_E, BLOCK_H), 1.0, q.dtype.element_ty)
            if DROPOUT:
                keep = _kept(edges, h, heads, limit, inverse, seed)
            value = _tile(v, source, h, d, heads, width, live)
            to_score = _to_score(alpha, keep, incoming, value, delta_row, live)[:, :, None]
            if a is None:
                dq_sum += tl.sum(scale * to_score * key, 0)
            else:
                dq_sum += tl.sum(to_score * _slope_of_score(query, key, weights, slope), 0)
                z = query + key
                da_sum += tl.sum(to_score * tl.where(z > 0, z, slope * z), 0)
        _put(dq, row, h, j, heads, inner, dq_sum)
    if a is not None:
        _put(da, block, h, j, heads, inner, da_sum)


@triton.jit
def _source_kernel(
    grad, delta, lse, q, k, v, a, edge, tcrow, tcol, order, dk, dv, heads, inner, width,
    slope, scale, limit, inverse, seed,
    DROPOUT: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_H: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """One source: gradients to its k and v, over the edges that leave it."""
    row, h = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK_H + tl.arange(0, BLOCK_H)
    j, d = tl.arange(0, BLOCK_J), tl.arange(0, BLOCK_D)
    one = tl.arange(0, 1)
    weights = _a_row(a, h, j, heads, inner)
    key = _tile(k, row + one, h, j, heads, inner, one == 0)  # (1, H, J)
    value = _tile(v, row + one, h, d, heads, width, one == 0)  # (1, H, D)
    dk_sum = tl.zeros((BLOCK_H, BLOCK_J), q.dtype.element_ty)
    dv_sum = tl.zeros((BLOCK_H, BLOCK_D), q.dtype.element_ty)
    begin, end = tl.load(tcrow + row).to(tl.int64), tl.load(tcrow + row + 1).to(tl.int64)
    for first in range(begin, end, BLOCK_E):
        place = first + tl.arange(0, BLOCK_E)
        edges = tl.load(order + place, mask=place < end, other=0).to(tl.int64)
        live = _live(edge, edges, place < end)
        target = tl.load(tcol + place, mask=live, other=0)
        query = _tile(q, target, h, j, heads, inner, live)
        per_head = target.to(tl.int64)[:, None] * heads + h[None, :]
        known = live[:, None] & (h < heads)[None, :]
        score = _score(query, key, weights, slope, scale) - tl.load(lse + per_head, mask=known, other=0.0)
        alpha = tl.exp(tl.where(known, score, 0.0))
        keep = tl.full((BLOCK_E, BLOCK_H), 1.0, q.dtype.element_ty)
        if DROPOUT:
            keep = _kept(edges, h, heads, limit, inverse, seed)
        incoming = _tile(grad, target, h, d, heads, width, live)
        delta_tile = tl.load(delta + per_head, mask=known, other=0.0)
        to_score = _to_score(alpha, keep, incoming, value, delta_tile, live)[:, :, None]
        dv_sum += tl.sum((alpha * keep)[:, :, None] * incoming, 0)
        if a is None:
            dk_sum += tl.sum(scale * to_score * query, 0)
        else:
            dk_sum += tl.sum(to_score * _slope_of_score(query, key, weights, slope), 0)
    _put(dk, row, h, j, heads, inner, dk_sum)
    _put(dv, row, h, d, heads, width, dv_sum)


def attend_forward(q, k, v, a, edge, crow, col, kind, slope, scale, dropout, seed) -> tuple[Tensor, Tensor]:
    """Return y (n, H, D) and lse (n, H); arguments and results are those of `attend_reference`."""
    sizes, blocks = _sizes(q, v)
    y, lse = v.new_empty(len(q), *v.shape[1:]), q.new_empty(q.shape[:2])
    if lse.numel():
        with torch.cuda.device_of(q):
            _forward_kernel[_grid(len(q), blocks, q)](
                q, k, v, _weights(a, kind), edge, crow, col, y, lse, *sizes, slope, scale, *_draw(dropout, seed),
                DROPOUT=dropout > 0, **blocks,
            )  # fmt: skip
    return y, lse


def attend_backward(
    grad, y, lse, q, k, v, a, edge, crow, col, tcrow, tcol, order, kind, slope, scale, dropout, seed
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the gradients to q, k, v and a; arguments are those of `attend_backward_reference`."""
    sizes, blocks = _sizes(q, v)
    rest = (*sizes, slope, scale, *_draw(dropout, seed))
    a = _weights(a, kind)
    dq, dk, dv, delta = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v), torch.empty_like(lse)
    rows = max(1, triton.cdiv(len(q), PROGRAMS))
    parts = None if a is None else q.new_empty(triton.cdiv(len(q), rows), *a.shape)
    with torch.cuda.device_of(q):
        if delta.numel():
            _target_kernel[_grid(triton.cdiv(len(q), rows), blocks, q)](
                grad, y, lse, q, k, v, a, edge, crow, col, dq, parts, delta, len(q), rows, *rest,
                DROPOUT=dropout > 0, **blocks,
            )  # fmt: skip
        if dk.numel() + dv.numel():
            _source_kernel[_grid(len(k), blocks, q)](
                grad, delta, lse, q, k, v, a, edge, tcrow, tcol, order, dk, dv, *rest, DROPOUT=dropout > 0, **blocks
            )
    return dq, dk, dv, None if a is None else parts.sum(0)


def _weights(a: Tensor | None, kind: str) -> Tensor | None:
    """Return what decides between the kinds: the weights of an additive score, None for dot products."""
    return a if kind == "additive" else None


def _sizes(q: Tensor, v: Tensor) -> tuple[tuple[int, int, int], dict]:
    """Return heads and widths, and the blocks for them."""
    heads, inner, width = *q.shape[1:], v.shape[2]
    return (heads, inner, width), _blocks(heads, inner, width)


def _blocks(heads: int, inner: int, width: int) -> dict:
    """Return the tile that holds all features of some heads of some edges, about `TILE` numbers, and its warps."""
    inner, width = (max(1, triton.next_power_of_2(size)) for size in (inner, width))
    widest = max(inner, width)
    block_h = min(triton.next_power_of_2(heads), max(1, TILE // widest))
    block_e = max(1, min(32, TILE // (block_h * widest)))
    warps = max(1, min(8, block_e * block_h * widest // 512))
    sides = {"BLOCK_E": block_e, "BLOCK_H": block_h, "BLOCK_J": inner, "BLOCK_D": width}
    return {**sides, "num_warps": warps, "enable_fp_fusion": True}


def _grid(programs: int, blocks: dict, q: Tensor) -> tuple[int, int]:
    return programs, triton.cdiv(q.shape[1], blocks["BLOCK_H"])


def _draw(dropout: float, seed: int) -> tuple[int, float, int]:
    """Return the draw below which a coefficient is dropped, the factor of the others, and the seed."""
    return (DROPS_ALL, 0.0, seed) if dropout >= 1 else (int(dropout * 2**32), 1 / (1 - dropout), seed)


def builds() -> Iterator[tuple]:
    """Yield each kernel, the constants it is launched with, and the type of q: every switch at usual widths."""
    for sizes in BUILT.values():
        yield from _builds_of(sizes, {"edge": None}, False)
    for nothing, dropout in product(({}, {"edge": None}), (False, True)):
        yield from _builds_of(BUILT["GATv2"], nothing, dropout)
        yield from _builds_of(BUILT["GATv2"], nothing | {"a": None, "da": None}, dropout)
    yield from _builds_of(BUILT["GATv2"], {}, True, "fp64")


def _builds_of(sizes: tuple[int, int, int], nothing: dict, dropout: bool, real: str = "fp32") -> Iterator[tuple]:
    for kernel in (_forward_kernel, _target_kernel, _source_kernel):
        absent = {name: None for name in nothing if name in kernel.arg_names}
        yield kernel, absent | {"DROPOUT": dropout} | _blocks(*sizes), real
