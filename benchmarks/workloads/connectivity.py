"""Connectivity convolution against the graph that is written out: R = 10,000 regions, T = 200 frames, D = 32.

The explicit graph is used as well as it can be: correlations in float32 by one matrix product, thresholded and
normalised in place, then kept as a dense matrix, or as CSR with int32 indices made row block by row block so that the
dense matrix never exists. A layer is its product with X and, symmetric, the same product with the gradient: no tape.
Where the series learns, nothing of the graph can be kept, and the peer is plain torch with autograd, dense.

Shown separately: the layer alone on a graph that is ready, and the same with features wider than the series is long,
where the product with them outweighs the correlations; building and one layer; series that learn; 64,984 vertices.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from math import ceil

import torch
from torch import Tensor

from benchmarks.paired import OURS, Floor, Row, compare, largest_error, peak_megabytes
from graphfuse.kernels.connectivity import connectivity_conv, connectivity_degree

R, T, D, WIDE = 10_000, 200, 32, 256
VERTICES, VERTEX_WIDTH = 64_984, 16
TAU = 0.3  # about 5 % of the pairs of these series


def rows() -> Iterator[Row]:
    """Yield the five rows."""
    series, x, grad = _problem(R, D)
    layer = _layer_alone(series, x, grad)
    built = _build_and_layer(series, x, grad)
    yield replace(layer, notes=f"{layer.notes} {_crossover(layer, built)}")
    yield _layer_alone(series, *_problem(R, WIDE)[1:])
    yield built
    yield _series_that_learn(series, x, grad)
    yield _vertices()


def _layer_alone(series, x, grad) -> Row:
    degree = connectivity_degree(series, TAU)
    dense, csr = _dense(series), _csr(series)
    density = csr.values().numel() / R**2
    hard = largest_error(_ours(series, x, grad, degree), _product(dense, x, grad))
    soft = largest_error(_ours(series, x, grad, kind="soft"), _product(_dense(series, soft=True), x, grad))
    return compare(
        f"layer on a graph that is ready, forward + backward to x, R = {R}, D = {x.shape[-1]}",
        {
            OURS: lambda: _ours(series, x, grad, degree),
            "explicit, dense": lambda: _product(dense, x, grad),
            "explicit, CSR": lambda: _product(csr, x, grad),
        },
        error=soft,
        floors=[Floor("explicit, dense", 0.5), Floor("explicit, CSR", 0.5)],
        notes=f"Degrees cached; density {density:.1%}. The error is that of a soft threshold; under a hard one pairs "
        f"within rounding of tau fall to either side: {hard:.1e}. The peers' graph itself stands outside their peaks: "
        f"{4e-6 * R**2:.0f} MB dense, {8e-6 * csr.values().numel():.0f} MB CSR.",
    )


def _build_and_layer(series, x, grad) -> Row:
    row = compare(
        f"graph and one layer, forward + backward to x, R = {R}",
        {
            OURS: lambda: _ours(series, x, grad),
            "explicit, dense": lambda: _product(_dense(series), x, grad),
            "explicit, CSR": lambda: _product(_csr(series), x, grad),
        },
        error=False,  # the layer alone has told it
        floors=[Floor("explicit, dense", 0.5)],
    )
    return _with_memory_check(row, "explicit, dense")


def _series_that_learn(series, x, grad) -> Row:
    row = compare(
        f"one layer, soft threshold, forward + backward to x and to the series, R = {R}",
        {
            OURS: lambda: _gradients(connectivity_conv, series, x, grad),
            "explicit, torch autograd": lambda: _gradients(_explicit, series, x, grad),
        },
        floors=[Floor("explicit, torch autograd", 0.5)],
        notes="The graph changes with every step, so that the explicit one is built in each too. The error is of the "
        "gradient to the series, which a soft threshold cuts too: pairs within rounding of tau fall to either side.",
    )
    return _with_memory_check(row, "explicit, torch autograd")


def _vertices() -> Row:
    """One forward pass on as many vertices as fsLR-32k has, timed and measured once."""
    series, x, _ = _problem(VERTICES, VERTEX_WIDTH)
    seconds = []

    def run():
        begin = time.perf_counter()
        connectivity_conv(series, x, TAU)
        seconds.append(time.perf_counter() - begin)

    peak = peak_megabytes(run)
    return Row(
        f"forward, R = {VERTICES}, T = {T}, D = {VERTEX_WIDTH}, degrees included",
        {OURS: seconds[0]},
        {OURS: peak},
        notes=f"Once. The matrix alone would take {4e-9 * VERTICES**2:.0f} GB.",
        checks={"peak under 2 GB": peak < 2000},
    )


def _problem(regions: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Series in which 12 common signals are mixed, so that correlations spread around the threshold."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(1, T, 12, generator=generator) @ torch.randn(1, 12, regions, generator=generator)
    series = common + 3.5 * torch.randn(1, T, regions, generator=generator)
    x, grad = (torch.randn(1, regions, width, generator=generator) for _ in "xg")
    return series, x, grad


def _ours(series, x, grad, degree=None, kind="hard") -> Tensor:
    """Return the output and the gradient to x, one below the other."""
    leaf = x.detach().requires_grad_()
    y = connectivity_conv(series, leaf, TAU, kind, degree=degree)
    y.backward(grad)
    return torch.cat([y.detach()[0], leaf.grad[0]])


def _product(graph: Tensor, x: Tensor, grad: Tensor) -> Tensor:
    """Return the same of an explicit graph, which is symmetric."""
    return torch.cat([graph @ x[0], graph @ grad[0]])


def _standardised(series: Tensor) -> Tensor:
    z = series[0] - series[0].mean(0)
    return z / z.norm(dim=0)


def _dense(series: Tensor, soft: bool = False) -> Tensor:
    """The normalised graph as a matrix (R, R), made in place."""
    z = _standardised(series)
    weight = torch.nn.functional.threshold_((z.T @ z).abs_(), TAU, 0.0)
    if soft:
        weight.sub_(TAU).relu_()
    weight.fill_diagonal_(1.0)
    scale = weight.sum(1).rsqrt_()
    return weight.mul_(scale).mul_(scale[:, None])


def _csr(series: Tensor, block: int = 500) -> Tensor:
    """The same as CSR, from blocks of rows."""
    z, counts, columns, values = _standardised(series), [], [], []
    for begin in range(0, z.shape[1], block):
        weight = torch.nn.functional.threshold_((z[:, begin : begin + block].T @ z).abs_(), TAU, 0.0)
        weight.diagonal(begin).fill_(1.0)
        index = weight.nonzero(as_tuple=True)
        counts.append(torch.bincount(index[0], minlength=len(weight)))
        columns.append(index[1].int())
        values.append(weight[index])
    counts = torch.cat(counts)
    columns, values = torch.cat(columns), torch.cat(values)
    pointers = torch.nn.functional.pad(counts.cumsum(0), (1, 0)).int()
    scale = torch.segment_reduce(values, "sum", lengths=counts).rsqrt_()
    values.mul_(scale[columns]).mul_(scale.repeat_interleave(counts))
    return torch.sparse_csr_tensor(pointers, columns, values, (len(counts),) * 2, check_invariants=False)


def _explicit(series: Tensor, x: Tensor, tau: float, _kind: str) -> Tensor:
    """The layer in plain torch, its graph of soft-thresholded absolute correlations on the tape."""
    z = series - series.mean(1, keepdim=True)
    z = z / z.norm(dim=1, keepdim=True)
    weight = ((z.mT @ z).abs() - tau).relu()
    weight = weight.diagonal_scatter(weight.new_ones(weight.shape[:2]), dim1=1, dim2=2)
    scale = weight.sum(2, keepdim=True).rsqrt()
    return scale * (weight @ (scale * x))


def _gradients(conv, series, x, grad) -> Tensor:
    """Return the gradient to the series."""
    leaves = series.detach().requires_grad_(), x.detach().requires_grad_()
    conv(*leaves, TAU, "soft").backward(grad)
    return leaves[0].grad


def _with_memory_check(row: Row, peer: str) -> Row:
    share = row.peaks[OURS] / row.peaks[peer]
    checks = {f"a tenth of the memory of {peer} (it is {share:.3f})": share <= 0.1}
    return replace(row, checks=checks)


def _crossover(layer: Row, built: Row) -> str:
    """Say from how many layers times epochs on each explicit graph is the quicker, its building counted."""
    told = []
    for peer in ("explicit, dense", "explicit, CSR"):
        gap = layer.seconds[OURS] - layer.seconds[peer]
        build = built.seconds[peer] - layer.seconds[peer] - (built.seconds[OURS] - layer.seconds[OURS])
        told.append(f"{peer}: {'never' if gap <= 0 else f'from {max(ceil(build / gap), 1)} layers x epochs on'}")
    return f"Quicker than ours in time, building counted: {'; '.join(told)}."
