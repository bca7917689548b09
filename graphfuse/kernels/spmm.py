"""Sparse times dense over block CSR: ``Y = A X``, its plain twin, its gradients to X and to the edge weights."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from graphfuse.kernels.csr import BlockCSR


def spmm_reference(weight: Tensor, x: Tensor, pattern: BlockCSR) -> Tensor:
    """Return ``y_r = sum over edges e of row r of weight_e x_col(e)`` in plain torch, one message an edge."""
    messages = weight[:, None] * x[pattern.col]  # (E, D)
    return x.new_zeros(pattern.size[0], x.shape[1]).index_add(0, pattern.row, messages)


def _spmm_fwd(weight: Tensor, x: Tensor, pattern: BlockCSR) -> Tensor:
    if len(weight) == 0:
        return x.new_zeros(pattern.size[0], x.shape[1])
    if x.device.type == "cpu" and x.dtype == torch.float32:
        # A weighted bag of embeddings is this very sum, and torch's kernel for it is 2 to 4 times MKL's for CSR.
        return embedding_bag(
            pattern.col, x, pattern.crow, mode="sum", per_sample_weights=weight, include_last_offset=True
        )
    return _csr(weight, pattern) @ x


def _spmm_bwd_x(weight: Tensor, grad: Tensor, pattern: BlockCSR) -> Tensor:
    """Return ``A^T dY``: rows of the cached transpose own their sums, so no atomics and the same bits every run."""
    transposed, order = pattern.transpose
    return _spmm_fwd(weight[order], grad, transposed)


def _spmm_bwd_weight(grad: Tensor, x: Tensor, pattern: BlockCSR) -> Tensor:
    """Return ``dW_e = <dY_row(e), X_col(e)>`` on the edges alone, (E,)."""
    if len(pattern.col) == 0:
        return grad.new_zeros(0)
    mask = _csr(grad.new_zeros(len(pattern.col)), pattern)
    return torch.sparse.sampled_addmm(mask, grad, x.T, beta=0.0).values()


class _SpMM(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight: Tensor, x: Tensor, pattern: BlockCSR, symmetric: bool) -> Tensor:
        ctx.pattern, ctx.symmetric = pattern, symmetric
        ctx.save_for_backward(weight, x if ctx.needs_input_grad[0] else None)
        return _spmm_fwd(weight, x, pattern)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        weight, x = ctx.saved_tensors
        grad = grad.contiguous()
        grad_weight = _spmm_bwd_weight(grad, x, ctx.pattern) if ctx.needs_input_grad[0] else None
        back = _spmm_fwd if ctx.symmetric else _spmm_bwd_x
        grad_x = back(weight, grad, ctx.pattern) if ctx.needs_input_grad[1] else None
        return grad_weight, grad_x, None, None


def spmm(weight: Tensor, x: Tensor, pattern: BlockCSR, symmetric: bool = False) -> Tensor:
    """Return ``y_r = sum over edges e of row r of weight_e x_col(e)``, never a dense matrix of nodes by nodes.

    Parameters
    ----------
    weight : tensor (E,)
        One weight an edge; may require a gradient.
    x : tensor (G * S, D)
        Features of the sources.
    pattern : BlockCSR
        Where the edges lie; its transpose is sorted once and kept for the backward.
    symmetric : bool
        The caller knows that ``A = A^T``: the backward then needs no transpose.

    Returns
    -------
    tensor (G * R, D)
    """
    return _SpMM.apply(weight, x.contiguous(), pattern, symmetric)


def _csr(values: Tensor, pattern: BlockCSR) -> Tensor:
    return torch.sparse_csr_tensor(pattern.crow, pattern.col, values, pattern.size, check_invariants=False)


def _hear_the_beta_notice() -> None:
    """Let torch say once, unheard, that its CSR type is in beta: users of graphfuse can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pointers = torch.zeros(1, dtype=torch.int32)
        torch.sparse_csr_tensor(pointers, pointers[:0], torch.zeros(0), (0, 0), check_invariants=False)


_hear_the_beta_notice()
