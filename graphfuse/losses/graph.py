"""Losses on a learned graph."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_option, check_shape
from graphfuse.errors import NegativeWeights
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.losses.contract import leaving, nodes_or_all, nothing

FLOOR = 1e-5  # under the logarithm of a degree


def smoothness(x: Tensor, weight: Tensor, nodes: Tensor | None = None) -> Tensor:
    """Return ``mean_g tr(H^T L H) / S^2 = mean_g 1/2 sum_ij A_ij |h_i - h_j|^2 / S^2``: neighbours shall be alike.

    L is the Laplacian of ``(A + A^T) / 2``, so that an asymmetric A cannot make it negative.

    Parameters
    ----------
    x : tensor (G, R, D)
        H of each graph.
    weight : tensor (G, R, R)
        A of each graph, at least 0.
    nodes : bool tensor (G, R) or None
        Usable nodes, S of them; None means all.

    Raises
    ------
    NegativeWeights, NonFinite, ShapeMismatch, InvalidOption

    References
    ----------
    Chen, Wu and Zaki (2020). Iterative deep graph learning for graph neural networks. NeurIPS.
    """
    check_shape("x", x, (*weight.shape[:2], None))
    x, (weight, nodes) = _usable(x, nodes), _usable_edges(weight, nodes)
    x = x - x.mean(1, keepdim=True)  # L does not see it, and rounding grows with |x|
    degree = (weight.sum(1) + weight.sum(2)) / 2
    energy = (degree * x.square().sum(-1)).sum(1) - (x * (weight @ x)).sum((1, 2))
    return _over_graphs("the smoothness loss", energy, nodes, 2)


def degree_loss(weight: Tensor, nodes: Tensor | None = None) -> Tensor:
    """Return ``mean_g -1^T log(A 1 + 1e-5) / S``: no node shall be alone; see `smoothness`."""
    weight, nodes = _usable_edges(weight, nodes)
    together = torch.where(nodes, (weight.sum(2) + FLOOR).log(), 0).sum(1)
    return _over_graphs("the degree loss", -together, nodes, 1)


def sparsity_loss(weight: Tensor, nodes: Tensor | None = None) -> Tensor:
    """Return ``mean_g |A|_F^2 / S^2``: few and weak edges; see `smoothness`."""
    weight, nodes = _usable_edges(weight, nodes)
    return _over_graphs("the sparsity loss", weight.square().sum((1, 2)), nodes, 2)


def graph_loss(
    x: Tensor,
    weight: Tensor,
    nodes: Tensor | None = None,
    smooth: float = 1.0,
    degree: float = 0.5,
    sparse: float = 0.0,
) -> Tensor:
    """Return ``a tr(H^T L H) / S^2 - b 1^T log(A 1 + 1e-5) / S + c |A|_F^2 / S^2``, the mean over graphs.

    Parameters
    ----------
    x : tensor (G, R, D)
        H of each graph.
    weight : tensor (G, R, R)
        A of each graph, at least 0; its rows say whom a node looks at.
    nodes : bool tensor (G, R) or None
        Usable nodes, S of them; None means all.
    smooth, degree, sparse : float
        a, b and c: MMGL's by default; IDGL has 0.4, 0.2 and 0.1.

    Raises
    ------
    NegativeWeights, NonFinite, ShapeMismatch, InvalidOption

    References
    ----------
    Zheng et al. (2022). Multi-modal graph learning for disease prediction. IEEE TMI 41.
    Chen, Wu and Zaki (2020). Iterative deep graph learning for graph neural networks. NeurIPS.
    """
    return (
        smooth * smoothness(x, weight, nodes)
        + degree * degree_loss(weight, nodes)
        + sparse * sparsity_loss(weight, nodes)
    )


SIGNS = {"minus": -1.0, "plus": 1.0}


def glcn_loss(
    x: Tensor,
    weight: Tensor,
    prior: Tensor | None = None,
    smooth: float = 0.01,
    norm: float = 1e-4,
    fidelity: float = 0.0,
    sign: str = "minus",
) -> Tensor:
    """Return ``a tr(H^T (I - S) H) -+ b |S|_F^2 + c |S - A_0|_F^2``, the mean over graphs.

    The released code has the minus sign, which rewards rows that concentrate on few neighbours; the paper prints plus.

    Parameters
    ----------
    x : tensor (G, R, D)
        H of each graph.
    weight : tensor (G, R, R)
        S of each graph, at least 0, rows summing to 1.
    prior : tensor (G, R, R) or None
        A_0; None leaves the last term out.
    smooth, norm, fidelity : float
        a, b and c.
    sign : {"minus", "plus"}
        Of the second term.

    Raises
    ------
    InvalidOption, NegativeWeights, NonFinite, ShapeMismatch

    References
    ----------
    Jiang et al. (2019). Semi-supervised learning with graph learning-convolutional networks. CVPR.
    """
    signed = SIGNS[check_option("sign", sign, SIGNS)] * norm
    check_shape("x", x, (*weight.shape[:2], None))
    x, (weight, nodes) = _usable(x, None), _usable_edges(weight, None)
    loss = smooth * (x * (x - weight @ x)).sum((1, 2)) + signed * weight.square().sum((1, 2))
    if prior is not None:
        check_finite("prior", check_shape("prior", prior, tuple(weight.shape)), LIMIT)
        loss = loss + fidelity * (weight - prior).square().sum((1, 2))
    return _over_graphs("the GLCN loss", loss, nodes, 0)


def _usable(x: Tensor, nodes: Tensor | None) -> Tensor:
    """Return x (G, R, D), zeros at unusable nodes."""
    nodes = nodes_or_all(check_shape("x", x, (None, None, None)), nodes)
    return check_finite("x at usable nodes", torch.where(nodes[..., None], x, 0), LIMIT)


def _usable_edges(weight: Tensor, nodes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the weights (G, R, R), zeros at unusable nodes, and which nodes are usable."""
    check_shape("weight", weight, (None, weight.shape[-1], None))
    nodes = nodes_or_all(weight, nodes)
    weight = torch.where(nodes[:, :, None] & nodes[:, None], weight, 0)
    check_finite("weight between usable nodes", weight, LIMIT)
    if bool((weight < 0).any()):
        raise NegativeWeights("A loss on a graph needs weights of at least 0; got negative ones. Take abs or relu.")
    return weight, nodes


def _over_graphs(name: str, value: Tensor, nodes: Tensor, power: int) -> Tensor:
    """Return the mean over graphs of ``value / S^power``, S the usable nodes of each; 0 for no graph."""
    share = value / nodes.sum(1).clamp(min=1).to(value).pow(power)
    return leaving(name, share.mean()) if len(share) else nothing(share)
