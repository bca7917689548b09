"""The plain twin of attention over edges: torch operations with a message an edge, for any device and type."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu


def _additive(q: Tensor, k: Tensor, a: Tensor, slope: float, scale: float) -> Tensor:
    return (a * leaky_relu(q + k, slope)).sum(-1)


def _dot(q: Tensor, k: Tensor, a: None, slope: float, scale: float) -> Tensor:
    return scale * (q * k).sum(-1)


SCORES = {"additive": _additive, "dot": _dot}


def attend_reference(q, k, v, a, edge, crow, col, kind, slope, scale, dropout, seed) -> tuple[Tensor, Tensor]:
    """Return ``y_r = sum over the edges e of r of keep_e alpha_e v_col(e)``, ``alpha_r = softmax of r's scores``.

    In plain torch, with a message an edge; autograd gives its gradients. The score of an edge from s to r is
    ``sum_j a_j LeakyReLU(q_rj + k_sj)`` ("additive") or ``scale sum_j q_rj k_sj`` ("dot"), a head each.

    Parameters
    ----------
    q, k, v : tensor (n, H, J), (m, H, J), (m, H, D)
    a : tensor (H, J), or None for "dot"
    edge : uint8 tensor (E,) or None
        0 where a stored edge is none; None means that all are edges.
    crow, col : int32 tensor (n + 1,), (E,)
    kind : {"additive", "dot"}
    slope : float
        Slope of the LeakyReLU below zero.
    scale : float
        Factor of the dot product.
    dropout, seed : float, int
        Probability that a coefficient is dropped, and which ones: see `kept`.

    Returns
    -------
    y : tensor (n, H, D)
        Zeros in a row without an edge.
    lse : tensor (n, H)
        ``log sum exp`` of the scores of each row; zero in a row without an edge.
    """
    number, row, col = _edges(edge, crow, col)
    score = SCORES[kind](q[row], k[col], a, slope, scale)  # (E, H)
    with torch.no_grad():  # the softmax does not depend on the shift
        peak = score.new_zeros(q.shape[:2]).scatter_reduce_(
            0, row[:, None].expand_as(score), score, "amax", include_self=False
        )
    power = (score - peak[row]).exp()
    total = score.new_zeros(peak.shape).index_add(0, row, power)
    alpha = power / total[row] * kept(number, q.shape[1], dropout, seed, q.dtype)
    y = v.new_zeros(len(q), *v.shape[1:]).index_add(0, row, alpha[..., None] * v[col])
    return y, peak + total.where(total > 0, 1.0).log()


def kept(number: Tensor, heads: int, dropout: float, seed: int, dtype: torch.dtype) -> Tensor:
    """Return ``1 / (1 - dropout)`` where a coefficient is kept and 0 where it is dropped, (E, H).

    A coefficient is kept where ``mix(mix(edge number * H + head) ^ seed) >= dropout * 2^32``, a hash of 32 bits: every
    pass over the edges, forward or backward, on any device, recomputes the same draw.

    Parameters
    ----------
    number : int64 tensor (E,)
        Numbers of the edges.
    heads : int
    dropout : float
    seed : int
        0 .. 2^31 - 1.
    dtype : torch.dtype
        Of the result.
    """
    factor = 1 / (1 - dropout) if dropout < 1 else 0.0
    counter = number[:, None] * heads + torch.arange(heads, device=number.device)
    return (_mix(_mix(counter) ^ seed) >= int(dropout * 2**32)).to(dtype) * factor


def _mix(x: Tensor) -> Tensor:
    """Wellons's hash "lowbias32" of 32 bits, in int64 that wraps."""
    x = x & 0xFFFFFFFF
    x = (x ^ (x >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    x = (x ^ (x >> 15)) * 0x846CA68B & 0xFFFFFFFF
    return x ^ (x >> 16)


def attend_backward_reference(
    grad, y, lse, q, k, v, a, edge, crow, col, tcrow, tcol, order, kind, slope, scale, dropout, seed
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return the gradients to q, k, v and a of `attend_reference`, in plain torch; the transpose goes unused.

    With ``delta_r = grad_r . y_r``, the gradient to a score is ``alpha_e (keep_e grad_r . v_s - delta_r)``.
    """
    number, row, col = _edges(edge, crow, col)
    keep = kept(number, q.shape[1], dropout, seed, q.dtype)
    alpha = (SCORES[kind](q[row], k[col], a, slope, scale) - lse[row]).exp()
    message = grad[row]  # (E, H, D)
    score = (alpha * (keep * (message * v[col]).sum(-1) - (grad * y).sum(-1)[row]))[..., None]
    dv = torch.zeros_like(v).index_add(0, col, (alpha * keep)[..., None] * message)
    if kind == "dot":
        dq, dk, da = score * scale * k[col], score * scale * q[row], None
    else:
        z = q[row] + k[col]
        dq = dk = score * a * torch.where(z > 0, 1.0, slope).to(z.dtype)
        da = (score * leaky_relu(z, slope)).sum(0)
    return torch.zeros_like(q).index_add(0, row, dq), torch.zeros_like(k).index_add(0, col, dk), dv, da


def _edges(edge: Tensor | None, crow: Tensor, col: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return number, target and source of the edges that are edges, int64 (E,) each."""
    number = torch.arange(len(col), device=col.device) if edge is None else edge.nonzero()[:, 0]
    row = torch.arange(len(crow) - 1, device=col.device).repeat_interleave(crow.diff())
    return number, row[number], col[number].long()
