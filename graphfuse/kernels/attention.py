"""Attention over the edges of sparse graphs as one operation: scores and softmax are recomputed, never stored.

Three kinds share it: GAT and GATv2 ("additive") and the graph transformer ("dot"). `attention_reference` holds the
plain twin, `attention_cpu` and `attention_gpu` the kernels. Nodes are flat: n targets, m sources, H heads, E edges.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from graphfuse._check import check_range, check_shape
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.attention_reference import attend_backward_reference, attend_reference
from graphfuse.kernels.csr import BlockCSR
from graphfuse.kernels.finite import LIMIT, check_finite

# ---- the operation


@torch.library.custom_op("graphfuse::attend", mutates_args=())
def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor | None,
    edge: Tensor | None,
    crow: Tensor,
    col: Tensor,
    transpose: list[Tensor],
    seed: Tensor,
    kind: str,
    slope: float,
    scale: float,
    dropout: float,
) -> tuple[Tensor, Tensor]:
    return _kernels(q).attend_forward(q, k, v, a, edge, crow, col, kind, slope, scale, dropout, int(seed))


@torch.library.custom_op("graphfuse::attend_backward", mutates_args=())
def _attend_backward(
    grad: Tensor,
    y: Tensor,
    lse: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor | None,
    edge: Tensor | None,
    crow: Tensor,
    col: Tensor,
    transpose: list[Tensor],
    seed: Tensor,
    kind: str,
    slope: float,
    scale: float,
    dropout: float,
) -> list[Tensor]:
    gradients = _kernels(q).attend_backward(
        grad, y, lse, q, k, v, a, edge, crow, col, *transpose, kind, slope, scale, dropout, int(seed)
    )
    return [gradient for gradient in gradients if gradient is not None]


@_attend.register_fake
def _(q, k, v, *others):
    return v.new_empty(*q.shape[:2], v.shape[2]), q.new_empty(q.shape[:2])


@_attend_backward.register_fake
def _(grad, y, lse, q, k, v, a, *others):
    return [torch.empty_like(x) for x in (q, k, v, a) if x is not None]


def _keep_for_backward(ctx, inputs, output) -> None:
    q, k, v, a, edge, crow, col, transpose, seed, *ctx.settings = inputs
    ctx.save_for_backward(*output, q, k, v, a, edge, crow, col, seed, *transpose)


def _gradients(ctx, grad: Tensor, _) -> tuple:
    y, lse, q, k, v, a, edge, crow, col, seed, *transpose = ctx.saved_tensors
    gradients = _attend_backward(grad.contiguous(), y, lse, q, k, v, a, edge, crow, col, transpose, seed, *ctx.settings)
    dq, dk, dv, da = gradients if a is not None else (*gradients, None)
    return (dq, dk, dv, da, None, None, None, [None] * len(transpose), *[None] * 5)


_attend.register_autograd(_gradients, setup_context=_keep_for_backward)


class _Plain:
    attend_forward = staticmethod(attend_reference)
    attend_backward = staticmethod(attend_backward_reference)


def _kernels(x: Tensor):
    """Return what computes on the device and in the type of x; imported late, for compilers are heavy."""
    if x.dtype not in (torch.float32, torch.float64) or x.device.type not in ("cpu", "cuda"):
        return _Plain
    if x.is_cuda:
        from graphfuse.kernels import attention_gpu as kernels
    else:
        from graphfuse.kernels import attention_cpu as kernels
    return kernels


def attend_edges(q, k, v, a, edge, pattern: BlockCSR, slope=0.2, scale=1.0, dropout=0.0) -> Tensor:
    """Return the attention (n, H, D) over the edges of a pattern, ``a = None`` for dot products; nothing is checked.

    Arguments are those of `attend_reference`. The seed of the dropout is drawn from torch's generator.
    """
    kind = "dot" if a is None else "additive"
    leaves = [x for x in (q, k, v, a) if x is not None]
    transpose = []
    if torch.is_grad_enabled() and any(x.requires_grad for x in leaves):
        transposed, order = pattern.transpose
        transpose = [transposed.crow, transposed.col, order]
    seed = torch.zeros((), dtype=torch.int64, device="cpu")  # never on a GPU, where reading it would wait
    if dropout > 0:
        seed = torch.randint(2**31 - 1, (), device="cpu")
    q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
    a = None if a is None else a.contiguous()
    y, _ = _attend(q, k, v, a, edge, pattern.crow, pattern.col, transpose, seed, kind, slope, scale, dropout)
    return y


# ---- the public functions


def attend(
    adjacency: Adjacency,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    a: Tensor | None = None,
    *,
    negative_slope: float = 0.2,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Return ``y_r = sum_s alpha_rs v_s``, ``alpha_r`` the softmax over the edges of r of their scores.

    The score is ``scale q_r . k_s``, or with `a` it is ``a . LeakyReLU(q_r + k_s)``, a head each. Weights of edges do
    not enter, except that a zero is no edge. A target without an edge gets zeros. Scores and coefficients are not
    stored, neither for the backward pass.

    Parameters
    ----------
    adjacency : Adjacency of shape (G, R, S)
    q, k, v : tensor (G, R, H, J), (G, S, H, J), (G, S, H, D)
        Queries of the targets, keys and values of the sources.
    a : tensor (H, J) or None
        Weights of the additive score; None takes the dot product.
    negative_slope : float
        Slope of the LeakyReLU below zero.
    scale : float or None
        Factor of the dot product; None means ``1 / sqrt(J)``.
    dropout : float
        Probability with which a coefficient is dropped; pass 0 outside training.

    Returns
    -------
    tensor (G, R, H, D)

    Raises
    ------
    ShapeMismatch, NonFinite, InvalidOption

    References
    ----------
    Brody, Alon and Yahav (2022). How attentive are graph attention networks? ICLR.
    Shi et al. (2021). Masked label prediction: unified message passing model for semi-supervised classification. IJCAI.
    """
    graphs, targets, sources = adjacency.shape
    heads, width = check_shape("q", q, (graphs, targets, None, None)).shape[2:]
    check_shape("k", k, (graphs, sources, heads, width))
    check_shape("v", v, (graphs, sources, heads, None))
    if a is not None:
        check_shape("a", a, (heads, width))
    check_range("dropout", dropout, 0.0, 1.0)
    for name, x in (("q", q), ("k", k), ("v", v), ("a", a)):
        if x is not None:
            check_finite(name, x, LIMIT)
    q, k, v, a = _one_type(q, k, v, a)
    scale = width**-0.5 if scale is None else scale
    if adjacency.pattern is None and a is None and dropout == 0:
        return _attend_dense(adjacency.weight, q, k, v, scale)
    sparse = adjacency.sparse()
    flat = [x.flatten(0, 1) for x in (q, k, v)]
    y = attend_edges(*flat, a, _edge_mask(sparse), sparse.pattern, negative_slope, scale, dropout)
    return y.unflatten(0, (graphs, targets))


def edge_softmax_attention(
    adjacency: Adjacency,
    target_score: Tensor,
    source_score: Tensor,
    v: Tensor,
    negative_slope: float = 0.2,
    dropout: float = 0.0,
) -> Tensor:
    """Return ``y_r = sum_s alpha_rs v_s``, ``alpha_r = softmax over the edges of r of LeakyReLU(t_r + u_s)``.

    This is `attend` with a score that is split in two halves beforehand.

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
    for name, x in (("target_score", target_score), ("source_score", source_score)):
        check_finite(name, x, LIMIT)
    ones = v.new_ones(v.shape[2], 1)
    q, k = target_score[..., None], source_score[..., None]
    return attend(adjacency, q, k, v, ones, negative_slope=negative_slope, dropout=dropout)


def _attend_dense(weight: Tensor, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Return dot-product attention by dense products, tile by tile: quicker than by edges from a third of them on.

    The additive score has no such form; by edges it is as quick on complete graphs as by matrices, in less memory.
    """
    edge = (weight.detach() != 0)[:, None]  # (G, 1, R, S)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    if bool(edge.all()):
        return scaled_dot_product_attention(q, k, v, scale=scale).transpose(1, 2)
    bare = ~edge.any(-1, keepdim=True)  # a softmax over nothing would not be finite
    y = scaled_dot_product_attention(q, k, v, edge | bare, scale=scale)
    return y.masked_fill(bare, 0.0).transpose(1, 2)


def _one_type(*tensors: Tensor | None) -> list[Tensor | None]:
    """Promote to the widest of the types, which differ under autocast."""
    kinds = [x.dtype for x in tensors if x is not None]
    kind = kinds[0]
    for other in kinds[1:]:
        kind = torch.promote_types(kind, other)
    return [None if x is None else x.to(kind) for x in tensors]


def _edge_mask(adjacency: Adjacency) -> Tensor | None:
    """Return which stored edges are edges, uint8 (E,), or None where all are: the mask is not made for nothing."""
    weight = adjacency.weight.detach()
    if int(torch.count_nonzero(weight)) == len(weight):
        return None
    return (weight != 0).to(torch.uint8)
