"""Integrated gradients: how much each node feature and each edge moved a fitted model's score of one subject."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, NotFitted
from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.graph.graphs import Graphs

CHUNK = 64  # subjects at a time: 64 graphs of 400 regions hold 40 MB of features


def integrated_gradients(
    model: FusionClassifier, cohort: Cohort, steps: int = 16
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Attribute each subject's score to his node features and his edges.

    ``attribution_e = u_e integral_0^1 dF(a u) / du_e da``, u = node features and edge weights together, and F the
    logit of the positive (last) class minus the mean logit of the others. The path starts at the mean training
    subject (features 0, because they are standardised) without edges, and is walked at ``a_k = (t_k)^3``, t_k the
    midpoints of `steps` equal parts: normalised layers bend most near the start. The attributions of a subject sum to
    ``F(u) - F(0)`` up to the error of the rule, see `score_change`. Edges that enter a model by their presence alone
    (graph attention) have no gradient, and get 0; they count as present all along the path.

    Parameters
    ----------
    model : FusionClassifier
        Fitted.
    cohort : Cohort
        N subjects; their labels are not looked at.
    steps : int
        Points on the path, at least 1.

    Returns
    -------
    dict of str to (array (N, R, F), array (N, R, R))
        Modality -> attributions of node features and of edges ``[target, source]`` [logits]; zero where a subject
        lacks the modality or the region.

    Raises
    ------
    NotFitted, InvalidOption

    References
    ----------
    Sundararajan, Taly and Yan (2017). Axiomatic attribution for deep networks. ICML.
    """
    return integrate(explained_network(model), model.graphs(cohort.blind()), steps)


def score_change(model: FusionClassifier, cohort: Cohort) -> np.ndarray:
    """Return ``F(u) - F(0)`` of each subject, (N,) [logits]: what the attributions of a subject sum to."""
    return change(explained_network(model), model.graphs(cohort.blind()))


def explained_network(model: FusionClassifier) -> nn.Module:
    """The fitted network, with dropout off; raises for what cannot be explained."""
    if not isinstance(model, FusionClassifier):
        raise InvalidOption(f"Integrated gradients need a FusionClassifier; got {type(model).__name__}.")
    if not hasattr(model, "network_"):
        raise NotFitted("Integrated gradients need a fitted model; call fit(cohort) first.")
    return model.network_.eval()


def integrate(network: nn.Module, graphs: dict[str, Graphs], steps: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """`integrated_gradients` of any network that reads these graphs (N subjects)."""
    check_range("steps", steps, 1)
    result = {name: (np.zeros(g.x.shape), np.zeros(g.adjacency.shape)) for name, g in graphs.items()}
    for batch in _batches(graphs, CHUNK):
        for name, parts in _integrate(network, {name: g[batch] for name, g in graphs.items()}, steps).items():
            for whole, part in zip(result[name], parts, strict=True):
                whole[batch] = part
    return result


def change(network: nn.Module, graphs: dict[str, Graphs]) -> np.ndarray:
    """`score_change` of any network that reads these graphs (N subjects)."""
    start = {name: _at(g, g.x * 0, g.adjacency.without_edges()) for name, g in graphs.items()}
    return scores(network, graphs) - scores(network, start)


def scores(network: nn.Module, graphs: dict[str, Graphs]) -> np.ndarray:
    """F of each subject, (N,) [logits]; 0 for somebody who was not measured at all."""
    result = np.zeros(len(next(iter(graphs.values()))))
    with torch.no_grad():
        for batch in _batches(graphs, 4 * CHUNK):  # no gradients are kept
            part = graphs if len(batch) == len(result) else {name: g[batch] for name, g in graphs.items()}
            result[batch] = _score(network, part).numpy()
    return result


def _batches(graphs: dict[str, Graphs], size: int) -> list[np.ndarray]:
    """Rows of the subjects who have one modality at least, chunk by chunk."""
    rows = np.flatnonzero(np.any([g.present.numpy() for g in graphs.values()], axis=0))
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]


def _integrate(network: nn.Module, graphs: dict[str, Graphs], steps: int) -> dict[str, tuple]:
    """Integrate the gradients of one batch: modality -> (B, R, F), (B, R, R)."""
    total = [torch.zeros_like(u) for u in _inputs(graphs)]
    for k in range(steps):
        t = (k + 0.5) / steps
        point = {name: _leaves(g, t**3) for name, g in graphs.items()}
        with torch.enable_grad():
            score = _score(network, point).sum()
        grads = torch.autograd.grad(score, _inputs(point), allow_unused=True)
        for sum_, grad in zip(total, grads, strict=True):
            if grad is not None:
                sum_ += 3 * t**2 / steps * grad  # da = 3 t^2 dt
    result = {}
    for name, node, edge in zip(graphs, total[::2], total[1::2], strict=True):
        g = graphs[name]
        weight = g.adjacency.with_weight(edge * g.adjacency.weight).to_dense()  # (B, R, R)
        result[name] = tuple(_measured(array, g.present) for array in (node * g.x, weight))
    return result


def _inputs(graphs: dict[str, Graphs]) -> list[Tensor]:
    """Features and edge weights, modality by modality."""
    return [tensor for g in graphs.values() for tensor in (g.x, g.adjacency.weight)]


def _leaves(graphs: Graphs, a: float) -> Graphs:
    """The point `a` of the path, as leaves that take gradients."""
    x, weight = ((a * u.detach()).requires_grad_() for u in (graphs.x, graphs.adjacency.weight))
    return _at(graphs, x, graphs.adjacency.with_weight(weight))


def _at(graphs: Graphs, x: Tensor, adjacency) -> Graphs:
    return replace(graphs, x=x, adjacency=adjacency)


def _score(network: nn.Module, graphs: dict[str, Graphs]) -> Tensor:
    """F of each subject, (B,)."""
    logits = network(graphs)[0]  # (B, C)
    return logits[:, -1] - logits[:, :-1].mean(1)


def _measured(array: Tensor, present: Tensor) -> np.ndarray:
    return torch.where(present[:, None, None], array, 0.0).detach().numpy()
