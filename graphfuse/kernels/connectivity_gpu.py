"""Connectivity convolution on a GPU, in Triton: correlations are made, thresholded and used tile by tile, as flash
attention does with its scores; the R x R matrix is never in memory (the backward pass holds a panel of its rows, of
bounded size). Formulas: see `connectivity`.

A program owns a block of rows and walks over all others in order: no atomics, the same bits every run. Host code pads
with zeros, and a correlation of exactly zero is no edge, so that the inner loops need no masks. Offsets are 64 bits
wide to a tile and 32 bits inside it, which spares registers. Scalars travel as float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn.functional import pad

from graphfuse._check import check_option
from graphfuse.kernels.connectivity_threshold import THRESHOLDS

# How products are made: "ieee", in float32 on the ordinary units; "tf32x3", on the matrix units in three parts, nearly
# float32; "tf32", on the matrix units with 10 bits of mantissa: a correlation near tau may fall to its other side.
PRECISIONS = {"highest": "ieee", "high": "tf32x3", "medium": "tf32"}  # by torch's names; its default is "highest"
TILES = {  # own rows and other rows of a tile, summands a step of a product: what compiles with few spilled registers
    "ieee": {"BLOCK_I": 64, "BLOCK_J": 64, "BLOCK_K": 16},
    "tf32": {"BLOCK_I": 128, "BLOCK_J": 128, "BLOCK_K": 32},
    "tf32x3": {"BLOCK_I": 64, "BLOCK_J": 64, "BLOCK_K": 32},
}
PANEL = 2**24  # numbers of M that the backward pass holds at once: 64 megabytes
OPTIONS = {"num_warps": 8, "enable_fp_fusion": True}
PAD = {"rows": 128, "frames": 128, "summands": 32}  # multiples of every block
WIDTHS = (64, 128)  # features that a program of `forward` sums at once: the least that holds them, or several 128
TYPES = {  # of the kernels' arguments, "real" being that of z
    **dict.fromkeys(("z", "series", "u", "gu", "ug", "d", "scale", "y", "degree", "panel", "grad_z"), "*real"),
    **dict.fromkeys(("regions", "padded", "frames", "length", "room", "width", "start", "sign"), "i32"),
    **dict.fromkeys(("tau", "shift", "loop"), "fp32"),
}
KEEP, POSITIVE = tl.constexpr(0), tl.constexpr(2)  # of `connectivity_threshold`


@triton.jit
def _products(
    left, right, width,
    PRECISION: tl.constexpr, BLOCK_I: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """``left_i . right_j`` (I, J) of the rows that begin at two places of matrices (R, width)."""
    total = tl.zeros((BLOCK_I, BLOCK_J), left.dtype.element_ty)
    k = tl.arange(0, BLOCK_K)[None, :]
    i, j = tl.arange(0, BLOCK_I)[:, None] * width + k, tl.arange(0, BLOCK_J)[:, None] * width + k
    for first in range(0, width, BLOCK_K):
        a, b = tl.load(left + first + i), tl.load(right + first + j)  # (I, K), (J, K)
        total = tl.dot(a, tl.trans(b), total, input_precision=PRECISION, out_dtype=total.dtype)
    return total


@triton.jit
def _strength(c, tau, sign):
    """What is compared with `tau`, and where a weight is kept."""
    strength = tl.where(sign == POSITIVE, c, tl.abs(c))
    return strength, (strength >= tau) & (strength > 0)


@triton.jit
def _weights(c, same, tau, shift, loop, sign):
    """``f(c)`` off the diagonal and `loop` on it."""
    strength, kept = _strength(c, tau, sign)
    weight = tl.where(kept, strength - shift, 0.0)
    weight = tl.where((sign == KEEP) & (c < 0), -weight, weight)
    return tl.where(same, loop, weight)


@triton.jit
def _own_block(padded, BLOCK: tl.constexpr):
    """The batch entry and the first row of this program."""
    program, blocks = tl.program_id(0), padded // BLOCK
    return (program // blocks).to(tl.int64), (program % blocks) * BLOCK


@triton.jit(do_not_specialize=["sign"])
def _forward_kernel(
    z, u, scale, y, regions, padded, frames, width, tau, shift, loop, sign,
    PRECISION: tl.constexpr, BLOCK_I: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_K: tl.constexpr, BLOCK_D: tl.constexpr,
):  # fmt: skip
    """``y_i = scale_i sum_j W_ij u_j``; z (B, padded, frames), u (B, width, padded), y (B, regions, width)."""
    batch, first_i = _own_block(padded, BLOCK_I)
    i = first_i + tl.arange(0, BLOCK_I)
    first_d = tl.program_id(1) * BLOCK_D
    d = first_d + tl.arange(0, BLOCK_D)
    z += batch * padded * frames
    u += (batch * width + first_d) * padded
    column = tl.arange(0, BLOCK_D)[:, None] * padded + tl.arange(0, BLOCK_J)[None, :]
    own = z + first_i.to(tl.int64) * frames
    total = tl.zeros((BLOCK_I, BLOCK_D), z.dtype.element_ty)
    for first in range(0, padded, BLOCK_J):
        j = first + tl.arange(0, BLOCK_J)
        c = _products(own, z + tl.cast(first, tl.int64) * frames, frames, PRECISION, BLOCK_I, BLOCK_J, BLOCK_K)
        weight = _weights(c, i[:, None] == j[None, :], tau, shift, loop, sign).to(total.dtype)
        part = tl.load(u + first + column, mask=(d < width)[:, None], other=0.0)  # (D, J)
        total = tl.dot(weight, tl.trans(part), total, input_precision=PRECISION, out_dtype=total.dtype)
    inside = i < regions
    total *= tl.load(scale + batch * regions + i, mask=inside, other=0.0)[:, None]
    y += (batch * regions + first_i) * width + first_d
    place = tl.arange(0, BLOCK_I)[:, None] * width + tl.arange(0, BLOCK_D)[None, :]
    tl.store(y + place, total, mask=inside[:, None] & (d < width)[None, :])


@triton.jit(do_not_specialize=["sign"])
def _degree_kernel(
    z, degree, regions, padded, frames, tau, shift, loop, sign,
    PRECISION: tl.constexpr, BLOCK_I: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """``degree_i = sum_j |W_ij|``; z (B, padded, frames), degree (B, regions)."""
    batch, first_i = _own_block(padded, BLOCK_I)
    i = first_i + tl.arange(0, BLOCK_I)
    z += batch * padded * frames
    own = z + first_i.to(tl.int64) * frames
    total = tl.zeros((BLOCK_I,), z.dtype.element_ty)
    for first in range(0, padded, BLOCK_J):
        j = first + tl.arange(0, BLOCK_J)
        c = _products(own, z + tl.cast(first, tl.int64) * frames, frames, PRECISION, BLOCK_I, BLOCK_J, BLOCK_K)
        weight = _weights(c, i[:, None] == j[None, :], tau, shift, loop, sign)
        total += tl.sum(tl.abs(weight), 1).to(total.dtype)
    tl.store(degree + batch * regions + i, total, mask=i < regions)


@triton.jit
def _slopes(c, e, v, same, tau, sign):
    """M of the correlations c, with E and V as in `connectivity`."""
    _, kept = _strength(c, tau, sign)
    turned = (c < 0) & (sign != POSITIVE)
    e = tl.where(turned & (sign != KEEP), -e, e)
    return tl.where(kept & (same == 0), e + tl.where(turned, -v, v), 0.0)


@triton.jit
def _panel_block(start, padded, BLOCK: tl.constexpr):
    """The batch entry and the first row of this program, whose panel begins at row `start` of all entries together."""
    row = start + tl.program_id(0) * BLOCK
    return (row // padded).to(tl.int64), row % padded


@triton.jit(do_not_specialize=["sign"])
def _slopes_kernel(
    z, gu, ug, d, panel, start, padded, frames, width, tau, sign,
    PRECISION: tl.constexpr, BLOCK_I: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """A tile of M; z (B, padded, frames), gu and ug (B, padded, width), d (B, padded), panel (rows, padded)."""
    batch, first_i = _panel_block(start, padded, BLOCK_I)
    first_j = tl.program_id(1) * BLOCK_J
    i, j = first_i + tl.arange(0, BLOCK_I), first_j + tl.arange(0, BLOCK_J)
    own, other = batch * padded + first_i, batch * padded + first_j
    c = _products(z + own * frames, z + other * frames, frames, PRECISION, BLOCK_I, BLOCK_J, BLOCK_K)
    e = _products(gu + own * width, ug + other * width, width, PRECISION, BLOCK_I, BLOCK_J, BLOCK_K)
    v = tl.load(d + batch * padded + i)[:, None] + tl.load(d + batch * padded + j)[None, :]
    slopes = _slopes(c, e, v, i[:, None] == j[None, :], tau, sign)
    panel += tl.program_id(0).to(tl.int64) * BLOCK_I * padded + first_j
    tl.store(panel + tl.arange(0, BLOCK_I)[:, None] * padded + tl.arange(0, BLOCK_J)[None, :], slopes)


@triton.jit
def _backward_kernel(
    panel, series, grad_z, start, regions, padded, length, room,
    PRECISION: tl.constexpr, BLOCK_I: tl.constexpr, BLOCK_J: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """``grad_z_i = sum_j M_ij z_j`` for some frames; series (B, room, padded), grad_z (B, length, regions)."""
    batch, first_i = _panel_block(start, padded, BLOCK_I)
    first_t = tl.program_id(1) * BLOCK_J
    own = panel + tl.program_id(0).to(tl.int64) * BLOCK_I * padded
    other = series + (batch * room + first_t) * padded
    total = _products(own, other, padded, PRECISION, BLOCK_I, BLOCK_J, BLOCK_K)
    i, t = first_i + tl.arange(0, BLOCK_I), first_t + tl.arange(0, BLOCK_J)
    grad_z += (batch * length + first_t) * regions + first_i
    place = tl.arange(0, BLOCK_J)[None, :] * regions + tl.arange(0, BLOCK_I)[:, None]
    tl.store(grad_z + place, total, mask=(i < regions)[:, None] & (t < length)[None, :])


def forward(z, x, scale, tau: float, kind: str, loop: float, precision: str | None = None) -> Tensor:
    """Return ``y_i = scale_i sum_j W_ij scale_j x_j``, (B, R, D).

    Parameters
    ----------
    z : tensor (B, T, R)
        Columns of norm 1, or 0.
    x : tensor (B, R, D)
    scale : tensor (B, R)
    tau : float
    kind : str
        A key of `THRESHOLDS`.
    loop : float
        Weight of a region to itself.
    precision : {"ieee", "tf32x3", "tf32"} or None
        How products are made; float64 takes "ieee". None: as ``torch.set_float32_matmul_precision`` says.
    """
    (batch, _, regions), width = z.shape, x.shape[2]
    rows, tile = _rows(z), _tile(z, precision)
    u = _padded((scale[..., None] * x).mT, rows=2)  # (B, D, padded)
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    soft, sign = THRESHOLDS[kind]
    tile = _forward_tile(tile, width)
    grid = (batch * (rows.shape[1] // tile["BLOCK_I"]), triton.cdiv(width, tile["BLOCK_D"]))
    if y.numel():
        with torch.cuda.device_of(z):
            _forward_kernel[grid](
                rows, u, scale.contiguous(), y, regions, *rows.shape[1:], width, tau, soft * tau, loop, sign,
                **tile,
            )  # fmt: skip
    return y


def degree(z, tau: float, kind: str, loop: float, precision: str | None = None) -> Tensor:
    """Return ``deg_i = sum_{j != i} |f(c_ij)| + loop``, (B, R); arguments as of `forward`."""
    batch, _, regions = z.shape
    rows, tile = _rows(z), _tile(z, precision)
    result = z.new_empty(batch, regions)
    soft, sign = THRESHOLDS[kind]
    if result.numel():
        with torch.cuda.device_of(z):
            _degree_kernel[(batch * (rows.shape[1] // tile["BLOCK_I"]),)](
                rows, result, regions, *rows.shape[1:], tau, soft * tau, loop, sign, **tile
            )
    return result


def backward(z, x, scale, grad_y, degree_grad, tau: float, kind: str, precision: str | None = None) -> Tensor:
    """Return ``grad_z_i = sum_j M_ij z_j``, (B, T, R).

    Parameters
    ----------
    z, x, scale, tau, kind, precision
        As of `forward`.
    grad_y : tensor (B, R, D)
    degree_grad : tensor (B, R) or None
        Gradient to the degrees; None means 0.
    """
    batch, _, regions = z.shape
    tile = _tile(z, precision)
    g, u = (scale[..., None] * part for part in (grad_y, x))
    gu, ug = (_padded(torch.cat(pair, 2), rows=1, summands=2) for pair in ((g, u), (u, g)))
    d = _padded(z.new_zeros(batch, regions) if degree_grad is None else degree_grad, rows=1)
    grad_z = torch.empty_like(z, memory_format=torch.contiguous_format)
    if grad_z.numel():
        with torch.cuda.device_of(z):
            _by_panels(grad_z, z, gu, ug, d, tau, THRESHOLDS[kind].sign, tile)
    return grad_z


def _by_panels(grad_z, z, gu, ug, d, tau, sign, tile) -> None:
    """Fill grad_z, with as many rows of M at once as `PANEL` holds: remaking M for each run of frames costs more."""
    rows, series = _rows(z), _padded(z, frames=1, rows=2)  # (B, padded, frames), (B, room, padded)
    batch, padded, _ = rows.shape
    held = max(PANEL // padded // PAD["rows"], 1) * PAD["rows"]
    panel = z.new_empty(min(held, batch * padded), padded)
    for start in range(0, batch * padded, held):
        blocks = min(held, batch * padded - start) // tile["BLOCK_I"]
        _slopes_kernel[blocks, padded // tile["BLOCK_J"]](
            rows, gu, ug, d, panel, start, *rows.shape[1:], gu.shape[2], tau, sign, **tile
        )
        _backward_kernel[blocks, triton.cdiv(z.shape[1], tile["BLOCK_J"])](
            panel, series, grad_z, start, z.shape[2], padded, z.shape[1], series.shape[1], **tile
        )


def _rows(z: Tensor) -> Tensor:
    """Return z (B, T, R) as padded rows, (B, padded, frames), so that products run along memory."""
    return _padded(z.mT, rows=1, summands=2)


def _padded(x: Tensor, **dims: int) -> Tensor:
    """Return `x` with zeros behind it, each dimension named up to a multiple of its entry in `PAD`."""
    behind = [0] * x.dim()
    for name, dim in dims.items():
        behind[dim] = -x.shape[dim] % PAD[name]
    return pad(x, [side for amount in reversed(behind) for side in (0, amount)]).contiguous()


def _tile(z: Tensor, precision: str | None) -> dict:
    """Return block sizes, warps and precision as the kernels take them."""
    precision = PRECISIONS[torch.get_float32_matmul_precision()] if precision is None else precision
    check_option("precision", precision, TILES)
    precision = "ieee" if z.dtype == torch.float64 else precision
    return {**TILES[precision], "PRECISION": precision, **OPTIONS}


def _forward_tile(tile: dict, width: int) -> dict:
    """Return the tile of `forward`, which holds the sums besides: fewer other rows where these are wide."""
    block = next((some for some in WIDTHS if some >= width), WIDTHS[-1])
    return {**tile, "BLOCK_J": min(tile["BLOCK_J"], 8192 // block), "BLOCK_D": block}


def builds() -> Iterator[tuple]:
    """Yield each kernel, the constants it is launched with, and the type of z: all that there is to compile."""
    for real, precision in [("fp64", "ieee"), *(("fp32", precision) for precision in TILES)]:
        tile = {**TILES[precision], "PRECISION": precision, **OPTIONS}
        yield _degree_kernel, tile, real
        yield _slopes_kernel, tile, real
        yield _backward_kernel, tile, real
        for width in WIDTHS:
            yield _forward_kernel, _forward_tile(tile, width), real
