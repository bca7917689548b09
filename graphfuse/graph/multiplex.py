"""Modalities kept apart in one graph: layers joined by copies of a node, or relations side by side."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.graph.layers import stack_layers
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.finite import LIMIT, check_finite


def multiplex(
    weights: Mapping[str, Tensor], present: Mapping[str, Tensor], coupling: float | Tensor = 1.0
) -> Adjacency:
    """Block adjacency ``[[A_1, w I], [w I, A_2]]`` of M layers: node r of layer m is node ``m R + r``.

    Layers come by sorted name. Two copies of a node are joined by w where both modalities measured it; a copy that was
    not measured is alone, so it neither hears nor is heard.

    Parameters
    ----------
    weights, present
        See `graphfuse.graph.layers.stack_layers`.
    coupling : float or Tensor () or (R,)
        w, at least 0, one for all nodes or one a node, perhaps learned.

    Returns
    -------
    Adjacency (G, M R, M R)

    References
    ----------
    Mucha et al. (2010). Community structure in time-dependent, multiscale, and multiplex networks. Science 328:876.
    """
    values, _, nodes = stack_layers(weights, present)
    m, g, r, _ = values.shape
    between = torch.diag_embed(_coupling(coupling, values).expand(m, m, g, r) * (nodes[:, None] & nodes[None]))
    diagonal = torch.eye(m, dtype=torch.bool, device=values.device)[:, :, None, None, None]
    blocks = torch.where(diagonal, values[:, None], between)  # (M, M, G, R, R)
    return Adjacency.from_dense(blocks.permute(2, 0, 3, 1, 4).reshape(g, m * r, m * r))


def multiplex_features(features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
    """Node features of `multiplex`, (G, M R, F), of features (G, R, F) a modality; zeros where one is missing.

    Parameters
    ----------
    features : dict of Tensor (G, R, F)
        Of one width F: project them first if they differ.
    present : dict of bool Tensor (G,) or (G, R)
    """
    names = sorted(features)
    shapes = {tuple(features[name].shape) for name in names}
    if len(shapes) != 1 or sorted(present) != names:
        raise ShapeMismatch(
            f"Features of the layers must have one shape (G, R, F) and be as many as present; got {sorted(shapes)} for "
            f"{names}, present {sorted(present)}."
        )
    parts = [torch.where(_measured(present[name], features[name]), features[name], 0.0) for name in names]
    return check_finite("features", torch.cat(parts, 1), LIMIT)


def relations(weights: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> list[Adjacency]:
    """One Adjacency (G, R, R) a modality, by sorted name: the relations of `graphfuse.nn.conv.relational.RGCNConv`.

    A missing modality has no edge. Arguments as in `graphfuse.graph.layers.stack_layers`.
    """
    return [Adjacency.from_dense(layer) for layer in stack_layers(weights, present).values]


def _measured(present: Tensor, x: Tensor) -> Tensor:
    present = torch.as_tensor(present).bool()
    check_shape("present", present, tuple(x.shape[: present.dim()]))
    return present[..., None, None] if present.dim() == 1 else present[..., None]


def _coupling(coupling: float | Tensor, values: Tensor) -> Tensor:
    coupling = check_finite("coupling", torch.as_tensor(coupling).to(values), LIMIT)
    if bool((coupling.detach() < 0).any()):
        raise InvalidOption("coupling must be at least 0: a layer cannot be repelled by its own copy.")
    return check_shape("coupling", coupling, () if coupling.dim() == 0 else (values.shape[-1],))
