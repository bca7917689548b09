"""Taking regions out of the graphs of subjects, in an order, and what is left of the AUC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from graphfuse.graph.graphs import Graphs
from graphfuse.kernels.adjacency import Adjacency

Order = list[tuple[str, int]]  # (modality, region), the first to go first


def without_regions(
    graphs: Mapping[str, Graphs],
    gone: Order,
    profiles: frozenset[str],
    share: float = 1.0,
    rng: np.random.Generator | None = None,
) -> dict[str, Graphs]:
    """Return the graphs without these regions: as if the scan had not covered them.

    Their features become 0 (the mean training subject, because features are standardised), in a profile also the
    entries of the others towards them; they have no edge; they are masked, as unusable regions are in training.

    Parameters
    ----------
    graphs : mapping of modality to Graphs
        Of N subjects, with one graph each.
    gone : list of (modality, region)
    profiles : set of str
        Modalities whose node features are profiles: feature f of region r belongs to the edge between r and f.
    share : float
        Below 1, only so large a share of these edges and features goes, drawn by `rng`, and no region is masked.
    rng : numpy Generator or None
        Needed below 1.
    """
    rows = {name: [region for modality, region in gone if modality == name] for name in graphs}
    return {
        name: _without(g, rows[name], name in profiles, share, rng) if rows[name] else g for name, g in graphs.items()
    }


def _without(graphs: Graphs, rows: list[int], profile: bool, share: float, rng) -> Graphs:
    _, r, f = graphs.x.shape
    out = np.zeros(r, bool)
    out[rows] = True
    edge = out[:, None] | out[None, :]  # (R, R)
    feature = edge if profile else np.broadcast_to(out[:, None], (r, f))  # (R, F)
    nodes = graphs.nodes & torch.as_tensor(~out)
    if share < 1:
        draw = np.triu(rng.random((r, r)))
        edge = edge & (draw + np.triu(draw, 1).T < share)  # the two directions of an edge go together
        feature, nodes = edge if profile else feature & (rng.random((r, f)) < share), graphs.nodes
    x = graphs.x * torch.as_tensor(~feature)
    weight = graphs.adjacency.to_dense() * torch.as_tensor(~edge)  # (N, R, R)
    return replace(graphs, x=x, adjacency=Adjacency(weight), nodes=nodes)


def random_order(order: Order, size: Mapping[str, int], rng: np.random.Generator) -> Order:
    """Random regions in place of those of `order`, of the same modality at each place.

    So a random order takes as many regions from each modality as `order` does; `size` is R of each modality.
    """
    return like(order, {name: iter(rng.permutation(n).tolist()) for name, n in size.items()})


def reverse_order(order: Order) -> Order:
    """The last regions of `order` first, of the same modality at each place."""
    names = {name for name, _ in order}
    return like(order, {name: iter([r for modality, r in reversed(order) if modality == name]) for name in names})


def like(order: Order, regions: Mapping) -> Order:
    """The modalities of `order`, their regions from these iterators."""
    return [(name, next(regions[name])) for name, _ in order]


def pairs_in_order(score: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Whether each positive subject scores above each other one, (n1, n0), 1/2 for ties; its mean is the AUC."""
    return (np.sign(score[positive][:, None] - score[~positive][None, :]) + 1) / 2


def delong_variance(pairs: np.ndarray) -> float:
    """Variance of the mean of such a matrix (n1, n0), or of a linear combination of such matrices.

    ``Var_i(mean_j d_ij) / n1 + Var_j(mean_i d_ij) / n0``.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988). Comparing the areas under two or more correlated ROC curves. Biometrics.
    """
    parts = [pairs.mean(1), pairs.mean(0)]
    return float(sum(part.var(ddof=1) / len(part) if len(part) > 1 else np.square(part).mean() for part in parts))
