"""Feature vectors: Signal -> (N, P), centred on training subjects, zeros (the training mean) for what is missing."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin

from graphfuse._check import check_option
from graphfuse.connectome.functional import fisher_z, functional_connectivity, scale_free_covariance
from graphfuse.connectome.tangent import TangentSpace
from graphfuse.connectome.vectorise import upper_triangle
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.signal import Signal


class EdgeVector(BaseEstimator):
    """The upper triangle of a connectome: Fisher-z correlation, partial correlation or tangent vectors.

    ``kind="given"`` takes ready connectivity matrices as they are. The tangent reference (log-Euclidean mean of
    `scale_free_covariance`) and the mean of each edge come from the subjects given to `fit`.
    """

    def __init__(self, kind: str = "correlation"):
        self.kind = kind

    def fit(self, signal: Signal) -> EdgeVector:
        self.fit_transform(signal)
        return self

    def fit_transform(self, signal: Signal) -> np.ndarray:
        vectors, known = self._vectors(signal, fit=True)
        self.mean_ = (vectors * known).sum(0) / known.sum(0).clip(1)
        return _spread(np.where(known, vectors - self.mean_, 0), signal.present)

    def transform(self, signal: Signal) -> np.ndarray:
        if not signal.present.any():
            return np.zeros((len(signal), len(self.mean_)), np.float32)
        vectors, known = self._vectors(signal)
        return _spread(np.where(known, vectors - self.mean_, 0), signal.present)

    def _vectors(self, signal: Signal, fit: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Edges of the measured subjects (n, P) and which of them join two usable regions."""
        usable = torch.as_tensor(signal.usable[signal.present])
        known = upper_triangle((usable[:, :, None] & usable[:, None, :]).float(), diagonal=self.kind == "tangent") > 0
        if self.kind == "given":
            return upper_triangle(torch.as_tensor(signal.stack())).numpy(), known.numpy()
        if self.kind == "tangent":
            covariances = scale_free_covariance(signal.arrays(), usable=usable)
            self.space_ = TangentSpace(reference="log-euclidean").fit(covariances) if fit else self.space_
            return upper_triangle(self.space_.transform(covariances), diagonal=True).float().numpy(), known.numpy()
        matrices = functional_connectivity(signal.arrays(), self.kind, usable=usable)
        return upper_triangle(fisher_z(matrices)).float().numpy(), known.numpy()


class ValueVector(TransformerMixin, BaseEstimator):
    """Measures or a vector, flattened and z-scored with the mean and deviation of the subjects given to `fit`."""

    def fit(self, signal: Signal) -> ValueVector:
        """Learn mean and deviation of each entry."""
        values, known = _flat(signal)
        count = known.sum(0).clip(1)
        self.mean_ = (values * known).sum(0) / count
        deviation = np.sqrt((np.square(values - self.mean_) * known).sum(0) / count)
        self.scale_ = np.where(deviation > 1e-6 * np.abs(self.mean_), deviation, np.inf)  # constant: 0, never NaN
        return self

    def transform(self, signal: Signal) -> np.ndarray:
        if not signal.present.any():
            return np.zeros((len(signal), len(self.mean_)), np.float32)
        values, known = _flat(signal)
        return _spread(np.where(known, (values - self.mean_) / self.scale_, 0).clip(-10, 10), signal.present)


def _flat(signal: Signal) -> tuple[np.ndarray, np.ndarray]:
    values = signal.stack().astype(np.float64)
    usable = np.ones(values.shape[:2], bool) if signal.usable is None else signal.usable[signal.present]
    known = np.broadcast_to(usable.reshape(*usable.shape, *(1,) * (values.ndim - 2)), values.shape)
    return values.reshape(len(values), -1), known.reshape(len(values), -1)


def _spread(vectors: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Rows of the measured subjects among all N; zeros, the training mean, for the others."""
    full = np.zeros((len(present), vectors.shape[1]), np.float32)
    full[present] = vectors
    return full


FEATURES = {
    "correlation": lambda: EdgeVector("correlation"),
    "partial": lambda: EdgeVector("partial"),
    "tangent": lambda: EdgeVector("tangent"),
    "given": lambda: EdgeVector("given"),
    "values": ValueVector,
}
READS = {
    "correlation": ("timeseries",),
    "partial": ("timeseries",),
    "tangent": ("timeseries",),
    "given": ("connectivity",),
    "values": ("measures", "vector", "connectivity"),
}
DEFAULTS = {"timeseries": "correlation", "connectivity": "given", "measures": "values", "vector": "values"}


class CohortVector(BaseEstimator):
    """Several modalities side by side, (N, sum P).

    Parameters
    ----------
    signals : sequence of str or None
        Modalities, None = all of the cohort that can be vectors.
    features : str
        A key of `FEATURES`, or ``auto``: correlation for time series, given for matrices, values for the rest.
    standardise : bool
        Divide each entry by its deviation over the training subjects, as the inputs of networks are.
    """

    def __init__(self, signals=None, features="auto", standardise=False):
        self.signals = signals
        self.features = features
        self.standardise = standardise

    def fit(self, cohort) -> CohortVector:
        self.fit_transform(cohort)
        return self

    def fit_transform(self, cohort) -> np.ndarray:
        """Fit on these subjects and return their vectors; quicker than one after the other."""
        check_option("features", self.features, ("auto", *FEATURES))
        names = self.signals or [name for name, signal in cohort.signals.items() if signal.kind in DEFAULTS]
        self.parts_, vectors = {}, []
        for name in names:
            signal = cohort.signals[check_option("signals", name, list(cohort.signals))]
            if not signal.present.any():
                raise MissingModality(f"No training subject has {name!r}; leave this modality out.")
            kind = DEFAULTS[signal.kind] if self.features == "auto" else self.features
            if signal.kind not in READS[kind]:
                raise InvalidOption(
                    f"features={kind!r} reads {' or '.join(READS[kind])}; signals[{name!r}] is {signal.kind}. Name the "
                    "signals that it suits, or use features='auto'."
                )
            self.parts_[name] = FEATURES[kind]()
            vectors.append(self.parts_[name].fit_transform(signal))
        X = np.concatenate(vectors, axis=1)  # (N, sum P)
        deviation = X.std(0) if self.standardise else np.float32(1)
        self.scale_ = np.where(deviation > 1e-6, deviation, np.float32(np.inf))  # constant in training: 0 for all
        return X / self.scale_

    def transform(self, cohort) -> np.ndarray:
        vectors = [part.transform(cohort.signals[name]) for name, part in self.parts_.items()]
        return np.concatenate(vectors, axis=1) / self.scale_
