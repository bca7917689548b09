"""Calling a PyTorch Geometric model on our tensors, with the arguments that it takes."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn

from graphfuse.kernels import Adjacency


def call_module(module: nn.Module, x: Tensor, adjacency: Adjacency) -> Tensor:
    """Return ``module(x, edge_index, ...)`` for x (G, R, F), nodes numbered ``g * R + r``.

    Parameters
    ----------
    module : torch.nn.Module
        Gets `edge_weight` (E,), `edge_attr` (E, 1) and `batch` (G R,) where its `forward` takes them.
    """
    graphs, targets, _ = adjacency.shape
    edge_index, edge_weight = adjacency.to_edge_index()
    offers = {
        "edge_weight": edge_weight,
        "edge_attr": edge_weight[:, None],
        "batch": torch.arange(graphs, device=x.device).repeat_interleave(targets),
    }
    taken = {name: value for name, value in offers.items() if _takes(module, name)}
    return module(x.flatten(0, 1), edge_index, **taken)


def _takes(module: nn.Module, name: str) -> bool:
    """Tell whether `forward` names the argument, and does not disown it as PyG's basic models do."""
    named = name in inspect.signature(module.forward).parameters
    return named and getattr(module, f"supports_{name}", True)
