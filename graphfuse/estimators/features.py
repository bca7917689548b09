"""Feature vectors: Signal -> (N, P), centred on training subjects, zeros (the training mean) for what is missing."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator

from graphfuse._check import check_option
from graphfuse.connectome.functional import fisher_z, functional_connectivity
from graphfuse.connectome.tangent import TangentSpace
from graphfuse.connectome.vectorise import upper_triangle
from graphfuse.errors import MissingModality
from graphfuse.signal import Signal


class EdgeVector(BaseEstimator):
    """The upper triangle of a connectome: Fisher-z correlation, partial correlation or tangent vectors.

    ``kind="given"`` takes ready connectivity matrices as they are. The tangent reference (log-Euclidean mean of
    Ledoit-Wolf covariances) and the mean of each edge come from the subjects given to `fit`.
    """

    def __init__(self, kind: str = "correlation"):
        self.kind = kind

    def fit(self, signal: Signal) -> EdgeVector:
        vectors, known = self._vectors(signal, fit=True)
        self.mean_ = (vectors * known).sum(0) / known.sum(0).clip(1)
        return self

    def transform(self, signal: Signal) -> np.ndarray:
        vectors, known = self._vectors(signal)
        return _spread(np.where(known, vectors - self.mean_, 0), signal.present)

    def _vectors(self, signal: Signal, fit: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Edges of the measured subjects (n, P) and which of them join two usable regions."""
        usable = torch.as_tensor(signal.usable[signal.present])
        known = upper_triangle((usable[:, :, None] & usable[:, None, :]).float(), diagonal=self.kind == "tangent") > 0
        if self.kind == "given":
            return upper_triangle(torch.as_tensor(signal.stack())).numpy(), known.numpy()
        if self.kind == "tangent":
            covariances = functional_connectivity(signal.arrays(), "covariance", "ledoit-wolf", usable=usable)
            self.space_ = TangentSpace(reference="log-euclidean").fit(covariances) if fit else self.space_
            return upper_triangle(self.space_.transform(covariances), diagonal=True).float().numpy(), known.numpy()
        matrices = functional_connectivity(signal.arrays(), self.kind, usable=usable)
        return upper_triangle(fisher_z(matrices)).float().numpy(), known.numpy()


class ValueVector(BaseEstimator):
    """Measures or a vector, flattened and z-scored with the mean and deviation of the subjects given to `fit`."""

    def fit(self, signal: Signal) -> ValueVector:
        values, known = _flat(signal)
        count = known.sum(0).clip(1)
        self.mean_ = (values * known).sum(0) / count
        deviation = np.sqrt((np.square(values - self.mean_) * known).sum(0) / count)
        self.scale_ = np.where(deviation > 1e-6 * np.abs(self.mean_), deviation, np.inf)  # constant: 0, never NaN
        return self

    def transform(self, signal: Signal) -> np.ndarray:
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
DEFAULTS = {"timeseries": "correlation", "connectivity": "given", "measures": "values", "vector": "values"}


class CohortVector(BaseEstimator):
    """Several modalities side by side, (N, sum P).

    Parameters
    ----------
    signals : sequence of str or None
        Modalities, None = all of the cohort that can be vectors.
    features : str
        A key of `FEATURES`, or ``auto``: correlation for time series, given for matrices, values for the rest.
    balance : bool
        Divide each modality by the root mean square of its entries over the training subjects, so that networks see
        the same scale whatever the units.
    """

    def __init__(self, signals=None, features="auto", balance=False):
        self.signals = signals
        self.features = features
        self.balance = balance

    def fit(self, cohort) -> CohortVector:
        check_option("features", self.features, ("auto", *FEATURES))
        names = self.signals or [name for name, signal in cohort.signals.items() if signal.kind in DEFAULTS]
        self.parts_, self.scales_ = {}, {}
        for name in names:
            signal = cohort.signals[check_option("signals", name, cohort.signals)]
            if not signal.present.any():
                raise MissingModality(f"No training subject has {name!r}; leave this modality out.")
            kind = DEFAULTS[signal.kind] if self.features == "auto" else self.features
            self.parts_[name] = FEATURES[kind]().fit(signal)
            values = self.parts_[name].transform(signal)[signal.present]
            self.scales_[name] = float(np.sqrt(np.square(values).mean())) or 1.0 if self.balance else 1.0
        return self

    def transform(self, cohort) -> np.ndarray:
        parts = [part.transform(cohort.signals[name]) / self.scales_[name] for name, part in self.parts_.items()]
        return np.concatenate(parts, axis=1)  # (N, sum P)
