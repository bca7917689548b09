"""NetworkEdges: a view of the connected edges that differ most between the classes of the training subjects."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator

from graphfuse._check import check_option, check_range
from graphfuse.connectome.components import component_sizes, edge_components
from graphfuse.connectome.edge_statistics import edge_t
from graphfuse.errors import InvalidOption, NotFitted
from graphfuse.estimators.features import EdgeVector
from graphfuse.graph.rows import Rows
from graphfuse.signal import Signal

KINDS = ("correlation", "partial")


class NetworkEdges(BaseEstimator):
    """Edges of the largest component beyond a t threshold, standardised: the network-based statistic as features.

    Leak guard: t statistics, component, mean and deviation come from the subjects given to `fit` and their classes, so
    give it training subjects only. No p value is asked for: whether the edges help shows on the test subjects.

    Choosing features by the largest component is ours: the source gives a test only.

    Parameters
    ----------
    kind : str
        ``"correlation"`` or ``"partial"`` of time series; a ready connectivity matrix is taken as it is.
    threshold : float
        Smallest ``|t|`` of an edge that counts, above 0. If none reaches it, the edge of the largest ``|t|`` is kept.

    Attributes
    ----------
    kept_ : array (P,) int
        Places of the edges in the upper triangle, as `edge_names` lists them.
    t_ : array (P,)
        Their t statistics.

    References
    ----------
    Zalesky, Fornito and Bullmore (2010), Network-based statistic: identifying differences in brain networks,
    NeuroImage 53.
    """

    READS = ("timeseries", "connectivity")
    uses_y, scope = True, "training"

    def __init__(self, kind="correlation", threshold=3.0):
        self.kind = kind
        self.threshold = threshold

    def fit(self, signal: Signal, codes: np.ndarray) -> NetworkEdges:
        """Choose the edges by the classes `codes` (N,) of these subjects, and learn their mean and deviation.

        Raises
        ------
        InvalidOption
            More or fewer than two classes, or a signal that is no connectome.
        """
        check_range("threshold", self.threshold, 0, open_low=True)
        self.part_ = EdgeVector(_kind(self.kind, signal))
        X = self.part_.fit_transform(signal)[signal.present]  # (n, E)
        t = edge_t(X, _two_classes(np.asarray(codes)[signal.present]))
        self.kept_ = _largest_component(np.abs(t), self.threshold, signal.n_regions)
        self.t_ = t[self.kept_]
        deviation = X[:, self.kept_].std(0)
        self.scale_ = np.where(deviation > 1e-6, deviation, np.float32(np.inf))  # constant in training: 0 for all
        return self

    def transform(self, signal: Signal) -> Rows:
        """Vectors of these subjects, each from its own data alone; zeros, the training mean, for who lacks it."""
        if not hasattr(self, "part_"):
            raise NotFitted("NetworkEdges has not been fitted; call fit on the training subjects first.")
        X = self.part_.transform(signal)[:, self.kept_] / self.scale_
        return Rows(torch.as_tensor(X), torch.as_tensor(signal.present))


def _kind(kind: str, signal: Signal) -> str:
    if signal.kind not in NetworkEdges.READS:
        raise InvalidOption(f"NetworkEdges needs a {' or '.join(NetworkEdges.READS)} signal; got {signal.kind!r}.")
    return "given" if signal.kind == "connectivity" else check_option("kind", kind, KINDS)


def _two_classes(codes: np.ndarray) -> np.ndarray:
    classes, codes = np.unique(codes, return_inverse=True)
    if len(classes) != 2:
        raise InvalidOption(f"NetworkEdges compares two classes; got {len(classes)} among those who were measured.")
    return codes


def _largest_component(strength: np.ndarray, threshold: float, n_regions: int) -> np.ndarray:
    """Places of the edges of the component that has most of them; the strongest edge if none reaches the threshold."""
    places = np.flatnonzero(strength >= min(threshold, strength.max()))
    row, column = (ends[places] for ends in np.triu_indices(n_regions, 1))
    sizes = component_sizes(row, column, n_regions, np.ones(len(places)))
    return places[edge_components(row, column, n_regions) == sizes.argmax()]
