"""Subject graphs: one graph a person, regions are nodes. Signal -> Graphs."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator

from graphfuse._check import check_option, check_shape
from graphfuse.connectome.functional import fisher_z, functional_connectivity, scale_free_covariance, warn_of_clipped
from graphfuse.connectome.morphometric import morphometric_similarity
from graphfuse.connectome.tangent import TangentSpace
from graphfuse.errors import AtlasMismatch, InvalidOption, MissingModality, NotFitted
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.sparsify import TopDensity, check_symmetric
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.signal import Signal

MAX_Z = 10.0  # one broken region must not outweigh all others of a subject
FUNCTIONAL_KINDS = ("correlation", "partial", "spearman", "tangent")


class FunctionalGraph(BaseEstimator):
    """Connectome of a time series (or a ready connectivity matrix) as a graph.

    Edges are the strongest entries of the subject's connectome; the diagonal of a ready matrix is never looked at,
    and one that is not symmetric is an error. Node features are, for ``nodes="profile"``, the
    region's row of the connectome (Fisher z for correlations), each entry standardised with the training subjects'
    mean and deviation; for ``"strength"`` its mean absolute weight, likewise; for ``"identity"`` one-hot.

    Parameters
    ----------
    kind : {"correlation", "partial", "spearman", "tangent"}
        ``tangent`` fits its reference on the subjects given to `fit`. Ignored for ready matrices.
    estimator : {"empirical", "ledoit-wolf"} or None
        Covariance estimator; None = empirical for correlation, Ledoit-Wolf where a matrix is inverted.
    nodes : {"profile", "strength", "identity"}
        Node features.
    sparsify : TopDensity or callable or None
        ``(B, R, R), (B, R) -> (B, R, R)`` non-negative weights; None = ``TopDensity(0.1)``.
    """

    READS = ("timeseries", "connectivity")
    uses_y, scope = False, "training"

    def __init__(self, kind="correlation", estimator=None, nodes="profile", sparsify=None):
        self.kind = kind
        self.estimator = estimator
        self.nodes = nodes
        self.sparsify = sparsify

    def fit(self, signal: Signal) -> FunctionalGraph:
        """Learn the tangent reference and the scale of the node features from these subjects only."""
        check_option("kind", self.kind, FUNCTIONAL_KINDS)
        check_option("nodes", self.nodes, NODE_FEATURES)
        _check_training(self, signal)
        matrices, usable = self._matrices(signal, fit=True)
        self.mean_, self.scale_ = feature_moments(self.nodes, NODE_FEATURES[self.nodes](matrices), usable)
        return self

    def transform(self, signal: Signal) -> Graphs:
        """Graphs of these subjects; each depends on nobody else's data."""
        _check_new(self, signal)
        if not signal.present.any():
            return _nobody(len(signal), self.mean_)
        matrices, usable = self._matrices(signal)
        x = (NODE_FEATURES[self.nodes](matrices) - self.mean_) / self.scale_
        return _stack(
            x, (self.sparsify or TopDensity())(matrices, usable), usable, signal.present, self.nodes == "profile"
        )

    def _matrices(self, signal: Signal, fit: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        usable = torch.as_tensor(signal.usable[signal.present])  # (B, R)
        if signal.kind == "connectivity":
            return _given(signal, usable), usable
        if self.kind == "tangent":
            estimator = self.estimator or "ledoit-wolf"
            matrices = scale_free_covariance(signal.arrays(), estimator, usable=usable)
            self.space_ = TangentSpace().fit(matrices) if fit else self.space_
            return self.space_.transform(matrices).float(), usable
        matrices = functional_connectivity(signal.arrays(), self.kind, self.estimator, usable=usable)
        warn_of_clipped(matrices)
        return fisher_z(matrices).float() * _off_diagonal(matrices.shape[-1]), usable


class MorphometricGraph(BaseEstimator):
    """Morphometric similarity of regions as a graph; node features are the measures themselves.

    Parameters
    ----------
    kind : {"auto", "correlation", "gaussian"}
        See `morphometric_similarity`; ``auto`` takes the correlation from 5 measures on.
    nodes : {"measures", "profile", "strength", "identity"}
        ``measures``: the M measures, standardised region by region with the training subjects' mean and deviation.
    sparsify : TopDensity or callable or None
        None = ``TopDensity(0.1)``.

    References
    ----------
    Seidlitz et al. 2018, Neuron 97:231.
    """

    READS = ("measures",)
    uses_y, scope = False, "training"

    def __init__(self, kind="auto", nodes="measures", sparsify=None):
        self.kind = kind
        self.nodes = nodes
        self.sparsify = sparsify

    def fit(self, signal: Signal) -> MorphometricGraph:
        """Learn the scale of the node features from these subjects only."""
        check_option("nodes", self.nodes, ("measures", *NODE_FEATURES))
        _check_training(self, signal)
        features, _, usable = self._features(signal)
        self.mean_, self.scale_ = feature_moments(self.nodes, features, usable)
        return self

    def transform(self, signal: Signal) -> Graphs:
        """Graphs of these subjects; each depends on nobody else's data."""
        _check_new(self, signal)
        if not signal.present.any():
            return _nobody(len(signal), self.mean_)
        features, similarity, usable = self._features(signal)
        x = (check_shape("node features", features, (None, *self.mean_.shape)) - self.mean_) / self.scale_
        return _stack(
            x, (self.sparsify or TopDensity())(similarity, usable), usable, signal.present, self.nodes == "profile"
        )

    def _features(self, signal: Signal) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        usable = torch.as_tensor(signal.usable[signal.present])
        measures = torch.as_tensor(signal.stack())  # (B, R, M)
        similarity = morphometric_similarity(measures, self.kind, usable=usable).float()
        similarity = similarity * _off_diagonal(similarity.shape[-1])
        features = measures if self.nodes == "measures" else NODE_FEATURES[self.nodes](similarity)
        return features, similarity, usable


def _check_kind(view: BaseEstimator, signal: Signal) -> None:
    if signal.kind not in view.READS:
        raise InvalidOption(f"{type(view).__name__} needs a {' or '.join(view.READS)} signal; got {signal.kind!r}.")


def _check_training(view: BaseEstimator, signal: Signal) -> None:
    _check_kind(view, signal)
    if not signal.present.any():
        raise MissingModality(f"{type(view).__name__} needs a subject who was measured; got none. Leave this view out.")


def _check_new(view: BaseEstimator, signal: Signal) -> None:
    _check_kind(view, signal)
    if not hasattr(view, "mean_"):
        raise NotFitted(f"{type(view).__name__} has not been fitted; call fit on the training subjects first.")
    if signal.present.any() and signal.n_regions != len(view.mean_):
        raise AtlasMismatch(
            f"{type(view).__name__} was fitted on {len(view.mean_)} regions; this signal has {signal.n_regions}. "
            "Extract both with the same atlas."
        )


def _given(signal: Signal, usable: torch.Tensor) -> torch.Tensor:
    """Ready matrices (B, R, R) without their diagonal, once it is clear that they are symmetric."""
    matrices = torch.as_tensor(signal.stack())
    pairs = usable[:, :, None] & usable[:, None, :] & (_off_diagonal(matrices.shape[-1]) > 0)
    matrices = torch.where(pairs, matrices, 0)
    check_symmetric(matrices)
    return matrices


def _identity(matrices: torch.Tensor) -> torch.Tensor:
    return torch.eye(matrices.shape[-1]).expand(len(matrices), -1, -1).clone()


NODE_FEATURES = {
    "profile": lambda matrices: matrices,  # (B, R, R)
    "strength": lambda matrices: matrices.abs().mean(-1, keepdim=True),  # (B, R, 1)
    "identity": _identity,
}


def _off_diagonal(n: int) -> torch.Tensor:
    return 1 - torch.eye(n)


def feature_moments(nodes: str, x: torch.Tensor, usable: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation over subjects of each region's features, (R, F); masked entries do not count.

    Each edge of a profile has its own deviation: with one for all, the edges in which people differ most would lead
    the importance of any model, whatever the labels.
    """
    if nodes == "identity":  # one-hot does not vary over subjects; centring would erase it
        return torch.zeros_like(x[0]), torch.ones_like(x[0])
    weight = usable[:, :, None].to(x.dtype).expand_as(x)
    if nodes == "profile":  # entry (r, f) needs both regions
        weight = weight * usable[:, None, :]
    unit = _power_of_two(x.abs().amax(0))
    x, count = x / unit, weight.sum(0).clamp(min=1)
    mean = (x * weight).sum(0) / count
    deviation = (((x - mean).square() * weight).sum(0) / count).sqrt() * unit
    return mean * unit, torch.where(deviation > 1e-6, deviation, 1.0)


def _power_of_two(peak: torch.Tensor) -> torch.Tensor:
    """The power of two at or below each peak (1 where it is 0): to divide by it is exact, and no square overflows."""
    exponent = torch.frexp(torch.where(peak > 0, peak, 1))[1] - 1
    return torch.ldexp(torch.ones_like(peak), exponent)


def _nobody(n: int, mean: torch.Tensor) -> Graphs:
    """Graphs of n subjects none of whom was measured; mean (R, F) tells the shape."""
    r = len(mean)
    weight, nodes = mean.new_zeros(n, r, r), torch.zeros(n, r, dtype=torch.bool)
    return Graphs(mean.new_zeros(n, *mean.shape), Adjacency.from_dense(weight), nodes, torch.zeros(n, dtype=torch.bool))


def _stack(x: torch.Tensor, weight: torch.Tensor, usable: torch.Tensor, present: np.ndarray, profile: bool) -> Graphs:
    """Spread the measured subjects over all N; zeros stand for the others and for masked regions."""
    n, (_, r, f) = len(present), x.shape
    rows = torch.as_tensor(present)
    mask = usable[:, :, None] & (usable[:, None, :] if profile else True)
    full_x, full_weight = x.new_zeros(n, r, f), weight.new_zeros(n, r, r)
    full_x[rows], full_weight[rows] = torch.where(mask, x, 0.0).clamp(-MAX_Z, MAX_Z), weight
    nodes = torch.zeros(n, r, dtype=torch.bool)
    nodes[rows] = usable
    return Graphs(full_x, Adjacency.from_dense(full_weight), nodes, rows)
