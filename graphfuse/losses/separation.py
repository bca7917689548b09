"""Losses that make two embeddings, or the nodes of one, say different things."""

from __future__ import annotations

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.kernels.finite import LIMIT, check_finite
from graphfuse.losses.contract import leaving, nodes_or_all, nothing, rows_paired


def hsic(first: Tensor, second: Tensor, both: Tensor | None = None) -> Tensor:
    """Return the Hilbert-Schmidt independence criterion ``tr(R K R L) / (n - 1)^2``, ``R = I - 11^T / n``.

    The kernels K and L are linear, so it is the squared norm of the cross-covariance, ``|X_c^T Y_c|_F^2 / (n - 1)^2``,
    which is what is computed: 0 where every feature of one is uncorrelated with every feature of the other. The
    released code of AM-GCN leaves out the division, so its weights of about 1e-9 do not carry over.

    Parameters
    ----------
    first : tensor (B, D)
    second : tensor (B, D')
    both : bool tensor (B,) or None
        Who has both; nobody else counts. None means everybody.

    Returns
    -------
    tensor ()
        At least 0; 0 for fewer than two people.

    Raises
    ------
    NonFinite, ShapeMismatch, InvalidOption

    References
    ----------
    Gretton et al. (2005). Measuring statistical dependence with Hilbert-Schmidt norms. ALT.
    Wang et al. (2020). AM-GCN: adaptive multi-channel graph convolutional networks. KDD.
    """
    first, second = rows_paired(first, second, both)
    if len(first) < 2:
        return nothing(first, second)
    cross = (first - first.mean(0)).T @ (second - second.mean(0)) / (len(first) - 1)  # (D, D')
    return leaving("the HSIC", cross.square().sum())


def orthogonality(shared: Tensor, specific: Tensor, both: Tensor | None = None) -> Tensor:
    """Return ``| Z_s^T Z_c |_F^2 / n^2`` of a shared and a specific embedding.

    The division, which is ours, makes it free of the size of the batch.

    Parameters
    ----------
    shared : tensor (B, D)
    specific : tensor (B, D')
    both : bool tensor (B,) or None
        Who has both; nobody else counts. None means everybody.

    Raises
    ------
    NonFinite, ShapeMismatch, InvalidOption

    References
    ----------
    Bousmalis et al. (2016). Domain separation networks. NeurIPS.
    """
    shared, specific = rows_paired(shared, specific, both)
    if not len(shared):
        return nothing(shared, specific)
    return leaving("the orthogonality loss", (shared.T @ specific / len(shared)).square().sum())


def node_orthogonality(x: Tensor, nodes: Tensor | None = None) -> Tensor:
    """Return ``mean_g | H_g H_g^T / max(H_g H_g^T) - I |_F``: the nodes of a graph shall point different ways.

    Parameters
    ----------
    x : tensor (G, R, D)
        H of each graph; STAGIN weighs this loss by 1e-5.
    nodes : bool tensor (G, R) or None
        Usable nodes; None means all.

    Raises
    ------
    NonFinite, ShapeMismatch, InvalidOption

    References
    ----------
    Kim, Ye and Kim (2021). Learning dynamic graph representation of brain connectome with spatio-temporal attention.
    NeurIPS.
    """
    nodes = nodes_or_all(check_shape("x", x, (None, None, None)), nodes)
    if not len(x):
        return nothing(x)
    x = check_finite("x at usable nodes", torch.where(nodes[..., None], x, 0), LIMIT)
    inner = x @ x.mT  # (G, R, R)
    largest = inner.amax((1, 2), keepdim=True)
    apart = inner / torch.where(largest > 0, largest, 1) - torch.diag_embed(nodes.to(x))
    return leaving("the orthogonality loss", torch.linalg.vector_norm(apart, dim=(1, 2)).mean())
