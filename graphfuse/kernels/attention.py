"""Edge-softmax attention: each target weighs its neighbours by a softmax over its own edges (plain torch)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import dropout as drop
from torch.nn.functional import leaky_relu

from graphfuse._check import check_shape
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.kernels.spmm import spmm


def edge_softmax_attention(
    adjacency: Adjacency,
    target_score: Tensor,
    source_score: Tensor,
    v: Tensor,
    negative_slope: float = 0.2,
    dropout: float = 0.0,
) -> Tensor:
    """Return ``y_r = sum_s alpha_rs v_s``, ``alpha_r = softmax over the edges of r of LeakyReLU(t_r + u_s)``.

    Weights of edges do not enter, except that a zero is no edge. A target without an edge gets zeros.

    Parameters
    ----------
    adjacency : Adjacency of shape (G, R, S)
    target_score, source_score : tensor (G, R, H), (G, S, H)
        The two halves of the score of an edge, a head each.
    v : tensor (G, S, H, D)
    negative_slope : float
        Slope of the LeakyReLU below zero.
    dropout : float
        Probability with which a coefficient is dropped; pass 0 outside training.

    Returns
    -------
    tensor (G, R, H, D)

    References
    ----------
    Velickovic et al. (2018). Graph attention networks. ICLR.
    """
    graphs, targets, sources = adjacency.shape
    check_shape("v", v, (graphs, sources, None, None))
    check_shape("target_score", target_score, (graphs, targets, v.shape[2]))
    check_shape("source_score", source_score, (graphs, sources, v.shape[2]))
    for name, x in (("v", v), ("target_score", target_score), ("source_score", source_score)):
        check_finite(name, x, LIMIT)
    attend = _attend_dense if adjacency.pattern is None else _attend_sparse
    return attend(adjacency, target_score, source_score, v, negative_slope, dropout)


def _attend_dense(adjacency, target_score, source_score, v, negative_slope, dropout) -> Tensor:
    score = leaky_relu(target_score[:, :, None] + source_score[:, None], negative_slope)  # (G, R, S, H)
    edge = (adjacency.weight != 0)[..., None]
    score = score.masked_fill(~edge, torch.finfo(score.dtype).min)
    alpha = torch.where(edge, score.softmax(2), 0.0)  # a row without an edge: all zero
    return torch.einsum("grsh,gshd->grhd", drop(alpha, dropout), v)


def _attend_sparse(adjacency, target_score, source_score, v, negative_slope, dropout) -> Tensor:
    pattern, edge = adjacency.pattern, (adjacency.weight != 0)[:, None]
    score = target_score.flatten(0, 1)[pattern.row] + source_score.flatten(0, 1)[pattern.col]  # (E, H)
    score = leaky_relu(score, negative_slope).masked_fill(~edge, torch.finfo(score.dtype).min)
    alpha = torch.where(edge, _row_softmax(score, pattern), 0.0)
    alpha, v = drop(alpha, dropout), v.flatten(0, 1)
    heads = [spmm(alpha[:, head].contiguous(), v[:, head], pattern) for head in range(v.shape[1])]  # no (E, H, D)
    return torch.stack(heads, 1).view(*target_score.shape, -1)


def _row_softmax(score: Tensor, pattern) -> Tensor:
    """Return the softmax over the edges of each row, a head each, (E, H)."""
    with torch.no_grad():  # the softmax does not depend on the shift
        rows = pattern.row.long()[:, None].expand_as(score)
        peak = score.new_zeros(pattern.size[0], score.shape[1]).scatter_reduce_(
            0, rows, score, "amax", include_self=False
        )
    power = (score - peak[pattern.row]).exp()
    ones = power.new_ones(pattern.size[1], 1)
    total = torch.cat([spmm(power[:, head].contiguous(), ones, pattern) for head in range(power.shape[1])], 1)
    return power / total[pattern.row]  # a row that has an edge has its peak: total >= 1
