"""The door of everything that joins graphs of several modalities: dicts of weights in, checked stacks out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.errors import MissingModality, ShapeMismatch
from graphfuse.kernels.finite import LIMIT, check_finite


class Layers(NamedTuple):
    """Weights of M modalities over the same nodes, by sorted name, zero where a modality is missing.

    Parameters
    ----------
    values : Tensor (M, G, R, R)
    there : bool Tensor (M, G, R, R)
        Pairs of nodes that the modality measured.
    nodes : bool Tensor (M, G, R)
        Nodes that it measured.
    """

    values: Tensor
    there: Tensor
    nodes: Tensor


def stack_layers(weights: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Layers:
    """Check what comes, and replace the weights of missing modalities by zeros: not a bit of them passes, be it a NaN.

    Parameters
    ----------
    weights : dict of Tensor (G, R, R)
        One weighted adjacency a modality and graph, all over the same R nodes.
    present : dict of bool Tensor (G,) or (G, R)
        Which graphs have the modality, or which of their nodes: regions that it saw, people who were measured. A pair
        counts where both nodes have it.

    Raises
    ------
    MissingModality
        Names that differ, or a graph that has no modality.
    ShapeMismatch
        Modalities over different numbers of graphs or nodes; they are never padded.
    NonFinite
        A NaN, an infinity or a number beyond the limit of the kernels, where the modality is present.
    """
    names = sorted(weights)
    if not names or sorted(present) != names:
        raise MissingModality(
            f"weights and present must name the same modalities; got {names} and {sorted(present)}. Give a modality "
            "that nobody has as zeros, present False."
        )
    shape = _common_shape(weights, names)
    nodes = torch.stack([_nodes(f"present[{name!r}]", present[name], shape) for name in names])  # (M, G, R)
    absent = int((~nodes.any(2).any(0)).sum())
    if absent:
        raise MissingModality(f"Every graph needs one modality at least; {absent} of {shape[0]} have none of {names}.")
    there = nodes[..., :, None] & nodes[..., None, :]
    values = torch.stack([torch.where(there[m], torch.as_tensor(weights[name]), 0.0) for m, name in enumerate(names)])
    return Layers(check_finite("Edge weights of those who have the modality", values, LIMIT), there, nodes)


def _common_shape(weights: Mapping[str, Tensor], names: list[str]) -> tuple[int, int, int]:
    shapes = {tuple(weights[name].shape) for name in names}
    first = tuple(weights[names[0]].shape)
    if len(shapes) > 1 or len(first) != 3 or first[1] != first[2]:
        raise ShapeMismatch(
            f"Adjacencies that are joined must have one shape (G, R, R); got {sorted(shapes)}. Extract every modality "
            "with the same atlas, or fuse the embeddings instead."
        )
    return first


def _nodes(name: str, present: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Nodes (G, R) bool of `present` (G,) or (G, R)."""
    present = torch.as_tensor(present).bool()
    whole = present.dim() == 1
    check_shape(name, present, shape[:1] if whole else shape[:2])
    return (present[:, None] if whole else present).expand(shape[:2])
