"""From attributions of subjects to what each region and each edge contributes to the spread of a model's scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from graphfuse.cohort import Cohort
from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.explain.attribution import change, explained_network, integrate
from graphfuse.graph.graphs import Graphs


@dataclass(frozen=True)
class Contribution:
    """Shares of the variance of the scores, one modality.

    Parameters
    ----------
    region : array (R,)
        What features of a region alone contribute (its measures).
    edge : array (R, R)
        What an edge contributes, symmetric with a zero diagonal; an edge counts once, not twice.
    direction : array (R, R)
        1 where a stronger edge pushes to the positive class, -1 where to the others, 0 unknown.
    """

    region: np.ndarray
    edge: np.ndarray
    direction: np.ndarray

    @property
    def total(self) -> float:
        """Share of the whole modality; negative where it works against the others."""
        return float(self.region.sum() + self.edge.sum() / 2)

    @property
    def magnitude(self) -> float:
        """Sum of the absolute shares of all units."""
        return float(np.abs(self.region).sum() + np.abs(self.edge).sum() / 2)

    def by_region(self) -> np.ndarray:
        """Absolute shares credited to the regions, (R,): an edge gives one half to either end."""
        return np.abs(self.region) + np.abs(self.edge).sum(1) / 2

    def region_share(self) -> np.ndarray:
        """`by_region` as shares of the modality, (R,), summing to 1; zeros when nothing varies."""
        return self.by_region() / max(self.magnitude, np.finfo(float).tiny)

    def signed_region(self) -> np.ndarray:
        """Like `by_region`, but units that work against the others count as negative, (R,)."""
        return self.region + self.edge.sum(1) / 2

    def edge_share(self) -> np.ndarray:
        """Absolute shares of the edges with the sign of their direction, (R, R)."""
        return np.abs(self.edge) * self.direction / max(self.magnitude, np.finfo(float).tiny)


def contributions(model: FusionClassifier, cohort: Cohort, steps: int = 16) -> dict[str, Contribution]:
    """Part the variance of the model's scores over these subjects into what each region and edge contributes.

    ``c_u = Cov_i(A_iu, F_i) / Var_i(F_i)`` for a unit u (a region, or an edge between two), A_iu its attribution by
    `integrated_gradients` and ``F_i`` the change of the score that the attributions sum to; hence ``sum_u c_u = 1``.
    A unit whose attributions are large but do not go with the score, such as noise that a network picks up,
    contributes little. No label is needed. A profile feature ``x[r, f]`` belongs to the edge between r and f; the
    measures of a region are added up.

    Parameters
    ----------
    model : FusionClassifier
        Fitted on other subjects.
    cohort : Cohort
        N held-out subjects.
    steps : int
        See `integrated_gradients`.

    Returns
    -------
    dict of str to Contribution
        All zero when the score is the same for everybody.
    """
    return shared_variance(explained_network(model), model.graphs(cohort.blind()), profiles(model), steps)


def profiles(model: FusionClassifier) -> frozenset[str]:
    """The modalities whose node features belong to edges."""
    return frozenset(name for name, view in model.views_.items() if getattr(view, "nodes", None) == "profile")


def shared_variance(
    network: nn.Module, graphs: dict[str, Graphs], profiles: frozenset[str], steps: int
) -> dict[str, Contribution]:
    """`contributions` of any network that reads these graphs, to the spread of its own scores."""
    weight = _covariance_weight(change(network, graphs))
    found = {}
    for name, (node, edge) in integrate(network, graphs, steps).items():
        profile = name in profiles
        value = graphs[name].x.numpy() if profile else _dense(graphs[name])
        node, edge, value = (np.tensordot(weight, array, 1) for array in (node, edge, value))  # (R, F), (R, R), (R, R)
        found[name] = _contribution(node, edge, value, profile)
    return found


def _covariance_weight(score: np.ndarray) -> np.ndarray:
    """Weights w (N,) with ``w @ a = Cov(a, score) / Var(score)``; zeros when the score does not vary."""
    centred = score - score.mean() if len(score) else score
    energy = float(centred @ centred)
    return centred / energy if energy > 0 else np.zeros(len(score))


def _contribution(node: np.ndarray, edge: np.ndarray, value: np.ndarray, profile: bool) -> Contribution:
    """Join the two directions of an edge and, for a profile, the features that belong to it."""
    edge = edge + node if profile else edge
    region = np.diag(edge) if profile else node.sum(1)
    edge = edge + edge.T
    np.fill_diagonal(edge, 0)
    return Contribution(region, edge, np.sign(value + value.T) * np.sign(edge))


def _dense(graphs: Graphs) -> np.ndarray:
    return graphs.adjacency.to_dense().numpy()
