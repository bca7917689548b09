"""PeopleKernel: one modality under one kernel, from cohorts to similarities."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from graphfuse._check import check_option
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.estimators.adjusting import scope_of
from graphfuse.estimators.features import DEFAULTS, CohortVector
from graphfuse.estimators.mkl.log_rows import LogRows
from graphfuse.estimators.mkl.scaling import ScaledKernel, Similarities
from graphfuse.estimators.mkl.similarity import (
    common_labels,
    gaussian,
    inner,
    median_distance,
    no_width,
    ones,
    repeats,
    squared_length,
)
from graphfuse.estimators.mkl.subtree_labels import SubtreeLabels


class Kind(NamedTuple):
    """What a kernel is made of.

    Parameters
    ----------
    reads : tuple of str
        Kinds of signal that it suits.
    source : callable
        ``(signal, features, adjust)`` -> what turns cohorts into rows of numbers.
    width : callable
        Rows of the training people -> their width.
    between, own : callable
        Similarities of rows to rows, and of each row to itself.
    """

    reads: tuple[str, ...]
    source: Callable
    width: Callable
    between: Callable
    own: Callable


def _vectors(signal: str, features: str, adjust) -> CohortVector:
    return CohortVector((signal,), features, adjust=adjust)


def _logs(signal: str, features: str, adjust) -> LogRows:
    return LogRows(signal)


def _subtrees(signal: str, features: str, adjust) -> SubtreeLabels:
    return SubtreeLabels(signal)


VECTORS, GRAPHS = tuple(sorted(DEFAULTS)), ("connectivity", "timeseries")
KINDS = {
    "linear": Kind(VECTORS, _vectors, no_width, inner, squared_length),
    "log-euclidean": Kind(("timeseries",), _logs, no_width, inner, squared_length),
    "rbf": Kind(VECTORS, _vectors, median_distance, gaussian, ones),
    "weisfeiler-lehman": Kind(GRAPHS, _subtrees, no_width, common_labels, repeats),
}


class PeopleKernel(BaseEstimator):
    """Similarities of people in one modality, normalised and centred on the training people.

    The fitted kernel holds the rows of the training people: a kernel machine cannot answer without them.

    Parameters
    ----------
    signal : str
        Name of the modality.
    kind : str
        A key of `KINDS`: ``linear``, ``rbf`` (its width is the median distance of two training people),
        ``log-euclidean`` or ``weisfeiler-lehman``.
    features, adjust
        As in `CohortVector`, for ``linear`` and ``rbf``.
    normalise : str
        As in `ScaledKernel`.
    """

    uses_y = False

    def __init__(self, signal="fmri", kind="linear", features="auto", adjust=None, normalise="cosine"):
        self.signal = signal
        self.kind = kind
        self.features = features
        self.adjust = adjust
        self.normalise = normalise

    @property
    def scope(self) -> str:
        """``features`` when a step of `adjust` reads the features of new subjects together, else ``training``."""
        return scope_of(self.adjust)

    def fit_transform(self, cohort: Cohort, codes: np.ndarray | None = None) -> Similarities:
        """Learn from these people and return their scaled kernel.

        Raises
        ------
        InvalidOption
            A kind that is none, or that does not suit the signal.
        MissingModality
            No training person has the modality.
        """
        kind, self.has_ = self._checked(cohort), cohort.has(self.signal)
        self.source_ = kind.source(self.signal, self.features, self.adjust)
        rows = self.source_.fit_transform(cohort, codes)
        self.rows_ = rows[self.has_]
        self.width_ = kind.width(_exact(self.rows_))
        self.scale_ = ScaledKernel(self.normalise)
        return self.scale_.fit_transform(self._similarities(rows, self.has_))

    def transform(self, cohort: Cohort) -> Similarities:
        """The scaled similarities of new people to the training people, each from one's own data alone."""
        return self.scale_.transform(self._similarities(self.source_.transform(cohort), cohort.has(self.signal)))

    def _similarities(self, rows: np.ndarray, has: np.ndarray) -> Similarities:
        kind, rows = KINDS[self.kind], _exact(rows[has])
        full, own = np.zeros((len(has), len(self.has_))), np.zeros(len(has))
        if has.any():
            full[np.ix_(has, self.has_)] = kind.between(rows, _exact(self.rows_), self.width_)
            own[has] = kind.own(rows)
        return Similarities(full, own, has)

    def _checked(self, cohort: Cohort) -> Kind:
        signal = cohort.signals[check_option("signals", self.signal, list(cohort.signals))]
        kind = KINDS[check_option("kernel", self.kind, KINDS)]
        if signal.kind not in kind.reads:
            raise InvalidOption(
                f"kernel={self.kind!r} reads {' or '.join(kind.reads)}; signals[{self.signal!r}] is {signal.kind}. "
                "Name a kernel that suits it, such as kernel={modality: 'linear'}."
            )
        if not signal.present.any():
            raise MissingModality(f"No training subject has {self.signal!r}; leave this modality out.")
        return kind


def _exact(rows: np.ndarray) -> np.ndarray:
    """Numbers in float64, labels as they are."""
    return rows if rows.dtype == np.int64 else rows.astype(np.float64)
