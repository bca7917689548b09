"""Feature vectors: Signal -> (N, P), centred on training subjects, zeros (the training mean) for what is missing."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin

from graphfuse._check import check_option
from graphfuse.connectome.functional import fisher_z, functional_connectivity, scale_free_covariance, warn_of_clipped
from graphfuse.connectome.tangent import TangentSpace
from graphfuse.connectome.vectorise import upper_triangle
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.estimators.adjusting import AdjustedVector, scope_of
from graphfuse.estimators.imputation import make_imputer
from graphfuse.estimators.measure_vector import MeasureVector
from graphfuse.signal import Signal


class EdgeVector(BaseEstimator):
    """The upper triangle of a connectome: Fisher-z correlation, partial correlation or tangent vectors.

    ``kind="given"`` takes ready connectivity matrices as they are. The tangent reference (log-Euclidean mean of
    `scale_free_covariance`) and the mean of each edge come from the subjects given to `fit`.
    """

    uses_y = False
    scope = "training"

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
        known = self._known(signal)
        if self.kind == "given":
            return upper_triangle(torch.as_tensor(signal.stack())).numpy(), known
        if self.kind == "tangent":
            covariances = scale_free_covariance(signal.arrays(), usable=usable)
            self.space_ = TangentSpace(reference="log-euclidean").fit(covariances) if fit else self.space_
            return upper_triangle(self.space_.transform(covariances), diagonal=True).float().numpy(), known
        matrices = functional_connectivity(signal.arrays(), self.kind, usable=usable)
        warn_of_clipped(matrices)
        return upper_triangle(fisher_z(matrices)).float().numpy(), known

    def _known(self, signal: Signal) -> np.ndarray:
        """Which edges (n, P) of the measured subjects join two usable regions."""
        usable = torch.as_tensor(signal.usable[signal.present])
        both = (usable[:, :, None] & usable[:, None, :]).float()
        return (upper_triangle(both, diagonal=self.kind == "tangent") > 0).numpy()


class ValueVector(TransformerMixin, BaseEstimator):
    """Measures or a vector, flattened and z-scored with the mean and deviation of the subjects given to `fit`."""

    uses_y = False
    scope = "training"

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

    def _known(self, signal: Signal) -> np.ndarray:
        """Which entries (n, P) of the measured subjects lie in usable regions."""
        return _flat(signal)[1]


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
    "graph-measures": MeasureVector,
    "values": ValueVector,
}
READS = {
    "correlation": ("timeseries",),
    "partial": ("timeseries",),
    "tangent": ("timeseries",),
    "given": ("connectivity",),
    "graph-measures": ("timeseries", "connectivity"),
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
    adjust : step, sequence of steps or None
        What takes site effects or confounds out, such as `ComBat`: fitted, in turn, on the vectors of the training
        subjects of each modality. Who lacks the modality takes no part and stays at zero, the training mean.
    impute : str, Imputer or None
        What stands in for the vectors of who lacks a modality, after `adjust`: a key of `IMPUTERS`, or an object such
        as ``NearestImputation(k=5)``, fitted on the training subjects; None = zeros, the training mean.
    """

    uses_y = False

    def __init__(self, signals=None, features="auto", standardise=False, adjust=None, impute=None):
        self.signals = signals
        self.features = features
        self.standardise = standardise
        self.adjust = adjust
        self.impute = impute

    @property
    def scope(self) -> str:
        """The widest scope of the steps in `adjust`; ``training`` without any."""
        return scope_of(self.adjust)

    def fit(self, cohort, codes=None) -> CohortVector:
        self.fit_transform(cohort, codes)
        return self

    def fit_transform(self, cohort, codes=None) -> np.ndarray:
        """Fit on these subjects and return their vectors; quicker than one after the other.

        `codes` (N,), their classes, go to the steps of `adjust`, which read them to refuse a site that is the class.
        """
        check_option("features", self.features, ("auto", *FEATURES))
        names = self.signals or [name for name, signal in cohort.signals.items() if signal.kind in DEFAULTS]
        self.parts_, self.adjusted_, vectors = {}, {}, []
        for name in names:
            signal = cohort.signals[check_option("signals", name, list(cohort.signals))]
            self.parts_[name] = FEATURES[self._kind(name, signal)]()
            vectors.append(self.parts_[name].fit_transform(signal))
            if self.adjust is not None:
                self.adjusted_[name] = AdjustedVector(self.adjust)
                known = self.parts_[name]._known(signal)
                vectors[-1] = self.adjusted_[name].fit_transform(vectors[-1], known, signal.present, cohort, codes)
        if self.impute is not None:
            self.imputer_ = make_imputer(self.impute)
            vectors = self._filled_in(self.imputer_.fit_transform, vectors, cohort)
        X = np.concatenate(vectors, axis=1)  # (N, sum P)
        deviation = X.std(0) if self.standardise else np.float32(1)
        self.scale_ = np.where(deviation > 1e-6, deviation, np.float32(np.inf))  # constant in training: 0 for all
        return X / self.scale_

    def transform(self, cohort) -> np.ndarray:
        vectors = [self._vector(name, cohort) for name in self.parts_]
        if self.impute is not None:
            vectors = self._filled_in(self.imputer_.transform, vectors, cohort)
        return np.concatenate(vectors, axis=1) / self.scale_

    def _vector(self, name: str, cohort) -> np.ndarray:
        part, signal = self.parts_[name], cohort.signals[name]
        X = part.transform(signal)
        if name not in self.adjusted_ or not signal.present.any():
            return X
        return self.adjusted_[name].transform(X, part._known(signal), signal.present, cohort)

    def _filled_in(self, fill, vectors: list[np.ndarray], cohort) -> list[np.ndarray]:
        """The vectors of each modality with guesses in the rows of who lacks it."""
        full = fill(dict(zip(self.parts_, vectors, strict=True)), {name: cohort.has(name) for name in self.parts_})
        return [full[name] for name in self.parts_]

    def _kind(self, name: str, signal: Signal) -> str:
        """The key of `FEATURES` for a modality that somebody has and that it suits."""
        if not signal.present.any():
            raise MissingModality(f"No training subject has {name!r}; leave this modality out.")
        kind = DEFAULTS[signal.kind] if self.features == "auto" else self.features
        if signal.kind not in READS[kind]:
            raise InvalidOption(
                f"features={kind!r} reads {' or '.join(READS[kind])}; signals[{name!r}] is {signal.kind}. Name the "
                "signals that it suits, or use features='auto'."
            )
        return kind
