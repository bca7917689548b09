"""Connectivity convolution: message passing over thresholded correlation, straight from time series.

Raw functions, the same three in `connectivity_cpu` and `connectivity_gpu` (all tensors contiguous, float32 or float64,
one dtype; `z` standardised: columns of norm 1, or 0 for an isolated region; kind a key of THRESHOLDS in
`connectivity_threshold`; ``W_ij = f(z_i . z_j)`` for i != j, ``W_ii = loop``; `scale` D^-1/2, 0 if isolated, or ones):

    forward(z (B, T, R), x (B, R, D), scale (B, R), tau, kind, loop) -> y (B, R, D)
        y_i = scale_i sum_j W_ij scale_j x_j
        The operator is symmetric, so that the gradient to x is forward(z, grad_y, scale, ...).

    degree(z, tau, kind, loop) -> (B, R)
        deg_i = sum_{j != i} |f(c_ij)| + loop                      (absolute, so never negative)

    backward(z, x, scale, grad_y, degree_grad (B, R) or None, tau, kind) -> grad_z (B, T, R)
        With g = scale grad_y, u = scale x, d = degree_grad (the gradient to deg_i, 0 if None), for i != j:
            E_ij  = g_i . u_j + u_i . g_j          a product of the concatenated (g|u) and (u|g), 2 D wide
            V_ij  = d_i + d_j
            M_ij  = (E_ij + V_ij) kept_ij                           "positive"
                    (E_ij + V_ij) kept_ij sign(c_ij)                "absolute"
                    (E_ij + V_ij sign(c_ij)) kept_ij                "keep"
            grad_z_i = sum_j M_ij z_j              M is symmetric
        `loop` does not enter: it does not depend on z.

Why two passes in all: with S = D^-1/2 the gradient to a degree is ``-1/2 S_i^2 (grad_y_i . y_i + x_i . grad_x_i)``, so
grad_x (one `forward`) comes first; then one `backward` gives grad_z, through the weights and the degrees together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.errors import NegativeWeights, ShapeMismatch
from graphfuse.kernels.connectivity_series import standardise_backward, standardised
from graphfuse.kernels.connectivity_threshold import thresholded
from graphfuse.kernels.finite import LIMIT, check_finite

KINDS = ("hard", "soft", "relu", "none")
SIGNED = ("absolute", "positive", "keep")
NORMALISE = {"none": False, "sym": True}


def connectivity_conv(
    series: Tensor,
    x: Tensor,
    threshold: float = 0.3,
    kind: str = "hard",
    signed: str = "absolute",
    normalise: str = "sym",
    self_loops: bool = True,
    mask: Tensor | None = None,
    degree: Tensor | None = None,
) -> Tensor:
    """Pass messages over the thresholded correlation graph of `series`, which is never held in memory.

    ``Y = D^-1/2 (f(C) + I) D^-1/2 X``, C Pearson's correlation without its diagonal, D the sums of ``|f(C)| + I``;
    correlations are made again, block by block, in the backward pass. A constant region is isolated: it has no edge,
    and its row is its own x, or 0 without self-loops.

    Parameters
    ----------
    series : tensor (B, T, R)
        Time series, frames by regions, in any unit; a view, such as windows by ``unfold``, is not copied as a whole.
    x : tensor (B, R, D)
        Features of the regions.
    threshold : float
        tau in [0, 1].
    kind : {"hard", "soft", "relu", "none"}
        ``"hard"`` keeps c where ``|c| >= tau``; ``"soft"`` takes ``sign(c) max(|c| - tau, 0)``; ``"relu"`` takes
        ``max(c, 0)``; ``"none"`` takes c, in O(T R D). The last two heed neither `threshold` nor `signed`.
    signed : {"absolute", "positive", "keep"}
        What becomes of a negative correlation: its absolute value, 0, or itself. Degrees sum ``|f(c)|`` in each case.
    normalise : {"sym", "none"}
        ``"none"`` leaves D out.
    self_loops : bool
        Whether a region hears itself, with weight 1.
    mask : bool tensor (B, T) or None
        Frames that count; what stands in the others is never looked at. None: all.
    degree : tensor (B, R) or None
        Degrees that `connectivity_degree` returned for the same arguments; taken as constants. None: computed.

    Returns
    -------
    tensor (B, R, D), with gradients to `x` and to `series`, through weights and degrees (first order). A hard threshold
    passes the gradient of what it keeps, and none to where it cuts.

    Raises
    ------
    NonFinite, ShapeMismatch, InvalidOption
    ShortSeries
        Fewer than 2 frames that count.
    NegativeWeights
        A negative degree: one that was given, or with ``kind="none"``, whose degrees sum c itself.

    References
    ----------
    Kipf and Welling (2017). Semi-supervised classification with graph convolutional networks. ICLR.
    Dao et al. (2022). FlashAttention: fast and memory-efficient exact attention with IO-awareness. NeurIPS.
    """
    tau, raw_kind = _raw(threshold, kind, signed)
    check_option("normalise", normalise, NORMALISE)
    _check_shapes(series, x, mask, degree)
    dtype = torch.promote_types(torch.promote_types(series.dtype, x.dtype), torch.float32)
    degree = None if degree is None else degree.detach().to(dtype)
    y, _ = _connectivity(
        series.to(dtype), x.to(dtype), mask, degree, tau, raw_kind, float(self_loops), NORMALISE[normalise]
    )
    return y


def connectivity_degree(
    series: Tensor,
    threshold: float = 0.3,
    kind: str = "hard",
    signed: str = "absolute",
    self_loops: bool = True,
    mask: Tensor | None = None,
) -> Tensor:
    """Degrees ``deg_i = sum_{j != i} |f(c_ij)| + 1`` of the thresholded correlation graph, (B, R), without a gradient.

    Computed once and given to `connectivity_conv`, they halve its work. Arguments and errors are those of
    `connectivity_conv`; with ``kind="none"`` the sum is of c itself.
    """
    tau, raw_kind = _raw(threshold, kind, signed)
    _check_shapes(series, None, mask, None)
    series = series.detach().to(torch.promote_types(series.dtype, torch.float32))
    kernels = _kernels(raw_kind, series.device)
    chunks = [kernels.degree(z, tau, raw_kind, float(self_loops)) for _, z, _ in standardised(series, mask)]
    return torch.cat(chunks) if chunks else series.new_zeros(0, series.shape[2])


def connectivity_reference(z: Tensor, x: Tensor, tau: float, kind: str, loop: float, symmetric: bool) -> Tensor:
    """Return what `connectivity_conv` computes of standardised series, by way of the matrix (B, R, R), plain torch."""
    c = z.mT @ z
    weight = (c if kind == "none" else thresholded(c, tau, kind)).tril(-1)
    weight = weight + weight.mT
    if not symmetric:
        return weight @ x + loop * x
    degree = (weight if kind == "none" else weight.abs()).sum(2) + loop
    scale = torch.where(degree > 0, torch.where(degree > 0, degree, 1).rsqrt(), 0)[..., None]
    return scale * (weight @ (scale * x) + loop * scale * x)


# ---- the operator: standardise a chunk of graphs, run the kernels on it


@torch.library.custom_op("graphfuse::connectivity", mutates_args=())
def _connectivity(
    series: Tensor,
    x: Tensor,
    mask: Tensor | None,
    degree: Tensor | None,
    tau: float,
    kind: str,
    loop: float,
    symmetric: bool,
) -> tuple[Tensor, Tensor]:
    """Return y (B, R, D) and the scale D^-1/2 (B, R)."""
    check_finite("x", x, LIMIT)
    kernels, y, scale = _kernels(kind, x.device), torch.empty_like(x, memory_format=torch.contiguous_format), []
    for b, z, _ in standardised(series, mask):
        own = z.new_ones(z.shape[0], z.shape[2])
        if symmetric:
            own = _inverse_root(kernels.degree(z, tau, kind, loop) if degree is None else degree[b])
        y[b] = kernels.forward(z, x[b].contiguous(), own, tau, kind, loop)
        scale.append(own)
    return y, torch.cat(scale) if scale else x.new_zeros(x.shape[:2])


@_connectivity.register_fake
def _(series, x, mask, degree, tau, kind, loop, symmetric):
    return torch.empty_like(x, memory_format=torch.contiguous_format), x.new_empty(x.shape[:2])


@torch.library.custom_op("graphfuse::connectivity_backward", mutates_args=())
def _connectivity_backward(
    series: Tensor,
    x: Tensor,
    mask: Tensor | None,
    scale: Tensor,
    y: Tensor,
    grad_y: Tensor,
    tau: float,
    kind: str,
    loop: float,
    through_degree: bool,
    to_series: bool,
) -> tuple[Tensor, Tensor]:
    """Return the gradients to x and to the series; the latter is empty unless it is asked for."""
    kernels, grad_x = _kernels(kind, x.device), torch.empty_like(y)
    grad_series = y.new_empty(series.shape if to_series else 0)
    for b, z, spread in standardised(series, mask):
        own, incoming = scale[b], grad_y[b].contiguous()
        grad_x[b] = kernels.forward(z, incoming, own, tau, kind, loop)
        if to_series:
            # With S = D^-1/2: d deg_i = -S_i^2 / 2 (dY_i . Y_i + X_i . dX_i).
            roots = (incoming * y[b] + x[b] * grad_x[b]).sum(2)
            d = -0.5 * own.square() * roots if through_degree else None
            grad_z = kernels.backward(z, x[b].contiguous(), own, incoming, d, tau, kind)
            grad_series[b] = standardise_backward(grad_z, z, spread, None if mask is None else mask[b])
    return grad_x, grad_series


@_connectivity_backward.register_fake
def _(series, x, mask, scale, y, grad_y, tau, kind, loop, through_degree, to_series):
    return torch.empty_like(y), y.new_empty(series.shape if to_series else 0)


def _setup_context(ctx, inputs, output) -> None:
    series, x, mask, degree, *ctx.constants, symmetric = inputs
    y, scale = output
    ctx.through_degree = symmetric and degree is None
    ctx.save_for_backward(series, x, mask, scale, y)


def _backward(ctx, grad_y: Tensor, _):
    to_series = ctx.needs_input_grad[0]
    grad_x, grad_series = _connectivity_backward(
        *ctx.saved_tensors, grad_y, *ctx.constants, ctx.through_degree, to_series
    )
    return grad_series if to_series else None, grad_x, None, None, None, None, None, None


_connectivity.register_autograd(_backward, setup_context=_setup_context)


def _kernels(kind: str, device: torch.device):
    """Return the module that has `forward`, `degree` and `backward` for this kind on this device."""
    if kind == "none":
        from graphfuse.kernels import connectivity_low_rank as kernels
    elif device.type == "cuda":
        from graphfuse.kernels import connectivity_gpu as kernels
    else:
        from graphfuse.kernels import connectivity_cpu as kernels
    return kernels


def _inverse_root(degree: Tensor) -> Tensor:
    """Return ``D^-1/2``, 0 for an isolated region."""
    check_finite("degree", degree)
    if bool((degree < 0).any()):
        raise NegativeWeights(
            "D^-1/2 needs degrees that are not negative; one is. Use normalise='none', or a threshold with "
            "signed='absolute' or 'positive'."
        )
    return torch.where(degree > 0, degree.rsqrt(), 0)


# ---- the door


def _raw(threshold: float, kind: str, signed: str) -> tuple[float, str]:
    """Return tau and the kind that kernels know."""
    check_option("kind", kind, KINDS)
    check_option("signed", signed, SIGNED)
    check_range("threshold", threshold, 0, 1)
    whole = {"relu": (0.0, "hard-positive"), "none": (0.0, "none")}
    return whole.get(kind, (float(threshold), f"{kind}-{signed}"))


def _check_shapes(series: Tensor, x: Tensor | None, mask: Tensor | None, degree: Tensor | None) -> None:
    graphs, frames, regions = check_shape("series", series, (None, None, None)).shape
    if x is not None:
        check_shape("x", x, (graphs, regions, None))
    if degree is not None:
        check_shape("degree", degree, (graphs, regions))
    if mask is not None and check_shape("mask", mask, (graphs, frames)).dtype != torch.bool:
        raise ShapeMismatch(f"mask must be a bool tensor, True where a frame counts; got {mask.dtype}.")
