"""Covariances to correlations: every entry over the roots of its two diagonal entries, in one pass."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse.kernels.jit import jit_in_order, over_rows


def unit_diagonal(matrices: Tensor, out: Tensor, sign: float = 1.0) -> None:
    """Write ``r_ij = sign s_ij / sqrt(|s_ii s_jj|)``, within -1 .. 1, and 1 on the diagonal; a NaN stays one.

    Parameters
    ----------
    matrices : Tensor (B, R, R)
        Symmetric; where a diagonal entry is 0, its row is left as it is.
    out : Tensor (B, R, R)
        Where the result is written; exactly symmetric if `matrices` are.
    sign : float
        1, or -1 for partial correlations of precisions.
    """
    scale = matrices.diagonal(dim1=1, dim2=2).abs()
    scale = torch.where(scale > 0, scale, 1).rsqrt()
    if matrices.device.type == "cpu":
        over_rows(_write, len(matrices), matrices, scale, float(sign), out, least=1)
    else:
        unit_diagonal_reference(matrices, scale, out, sign)


def unit_diagonal_reference(matrices: Tensor, scale: Tensor, out: Tensor, sign: float) -> None:
    """The same in plain torch, on any device; scale (B, R)."""
    factor = scale[:, :, None] * scale[:, None, :]  # one factor: symmetry stays exact
    out.copy_((matrices * (sign * factor)).clamp_(-1, 1))
    out.diagonal(dim1=1, dim2=2).fill_(1)


@jit_in_order
def _write(begin, end, matrices, scale, sign, out):
    for b in range(begin, end):
        for i in range(matrices.shape[1]):
            own = sign * scale[b, i]
            for j in range(matrices.shape[2]):
                r = matrices[b, i, j] * (own * scale[b, j])
                r = 1.0 if r > 1.0 else r  # a NaN is neither
                out[b, i, j] = -1.0 if r < -1.0 else r
            out[b, i, i] = 1.0
