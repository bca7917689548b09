"""Views that give one vector a subject: a modality as numbers, and phenotypes as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.feature_selection import RFE
from sklearn.linear_model import RidgeClassifier

from graphfuse._check import check_option, check_range
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption
from graphfuse.estimators.features import DEFAULTS, FEATURES, READS
from graphfuse.graph.rows import Rows
from graphfuse.signal import Signal


class VectorView(BaseEstimator):
    """A modality as one standardised vector a subject, all of it, or its best features, or its components.

    Parameters
    ----------
    features : str
        A key of `FEATURES`, or ``auto``: correlation for time series, given for matrices, values for the rest.
    select : int or None
        Features kept by recursive elimination with a ridge classifier on the training subjects, a tenth of them at a
        time; None = all. Parisot et al. 2018 keep 2000.
    components : int or None
        Principal components of the training subjects; None = the features themselves.
    random_state : int
        Of the principal components.
    """

    READS = tuple(sorted(DEFAULTS))
    scope = "training"

    def __init__(self, features="auto", select=None, components=None, random_state=0):
        self.features = features
        self.select = select
        self.components = components
        self.random_state = random_state

    @property
    def uses_y(self) -> bool:
        """Whether labels of the training subjects choose the features."""
        return self.select is not None

    def fit(self, signal: Signal, codes: np.ndarray | None = None) -> VectorView:
        """Learn means, deviations, choice and components from these subjects only."""
        check_range("select", self.select or 1, 1)
        check_range("components", self.components or 1, 1)
        self.part_ = FEATURES[self._kind(signal)]()
        X = self.part_.fit_transform(signal)[signal.present]
        deviation = X.std(0)
        self.scale_ = np.where(deviation > 1e-6, deviation, np.float32(np.inf))  # constant in training: 0 for all
        X = X / self.scale_
        self.kept_ = np.arange(X.shape[1])
        if self.select is not None and self.select < X.shape[1]:
            ranking = RFE(RidgeClassifier(), n_features_to_select=self.select, step=0.1)
            self.kept_ = np.flatnonzero(ranking.fit(X, codes[signal.present]).support_)
        self.axes_ = self._axes(X[:, self.kept_])
        return self

    def transform(self, signal: Signal) -> Rows:
        """Vectors of these subjects, each from its own data alone; zeros, the training mean, for who lacks it."""
        X = (self.part_.transform(signal) / self.scale_)[:, self.kept_]
        X = X if self.axes_ is None else X @ self.axes_.T
        return Rows(torch.as_tensor(np.ascontiguousarray(X)), torch.as_tensor(signal.present))

    def _kind(self, signal: Signal) -> str:
        kind = DEFAULTS.get(signal.kind) if self.features == "auto" else self.features
        if kind is None or signal.kind not in READS[check_option("features", kind, FEATURES)]:
            wanted = " or ".join(READS.get(kind, self.READS))
            raise InvalidOption(
                f"VectorView(features={self.features!r}) needs a {wanted} signal; got {signal.kind!r}. Name features "
                "that suit it."
            )
        return kind

    def _axes(self, X: np.ndarray) -> np.ndarray | None:
        """Principal axes (K, P), scaled so that the components have unit variance in the mean; X is centred."""
        if self.components is None:
            return None
        pca = PCA(min(self.components, len(X) - 1, X.shape[1]), random_state=self.random_state)
        with np.errstate(invalid="ignore"):  # shares of no variance, where all features are constant
            pca.fit(X)
        return (pca.components_ / np.sqrt(pca.explained_variance_.mean().clip(1e-12))).astype(np.float32)


class PhenotypeView(BaseEstimator):
    """Phenotypes as one vector a subject: numbers standardised, texts one-hot, zeros for what is missing.

    Parameters
    ----------
    columns : sequence of str or None
        None = the cohort's confounds and its site.
    """

    READS = ("phenotypes",)
    uses_y, scope = False, "training"

    def __init__(self, columns=None):
        self.columns = columns

    def fit(self, cohort: Cohort) -> PhenotypeView:
        """Learn means, deviations and levels from these subjects only."""
        names = self.columns or (*cohort.confounds, *([cohort.site] if cohort.site else []))
        cohort.check_columns(names, "PhenotypeView")
        self.columns_ = tuple(names)
        if not names:
            raise InvalidOption("The cohort names no confounds and no site. Name columns=[...].")
        self.numbers_, self.levels_ = {}, {}
        for name in names:
            column = cohort.phenotypes[name]
            if _is_number(column):
                values = _floats(column)
                deviation = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
                mean = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
                self.numbers_[name] = (mean, deviation if deviation > 0 else float("inf"))
            else:
                self.levels_[name] = sorted({str(value) for value in column.dropna()})
        return self

    @property
    def phenotypes_read(self) -> tuple[str, ...]:
        """The columns that the fitted view reads."""
        return self.columns_

    def transform(self, cohort: Cohort) -> Rows:
        """Vectors of these subjects; nobody lacks this modality, single values may be missing."""
        table = cohort.phenotypes
        columns = [
            np.nan_to_num((_floats(table[name]) - mean) / scale, nan=0.0).clip(-10, 10)
            for name, (mean, scale) in self.numbers_.items()
        ]
        columns += [
            (table[name].astype(str).to_numpy() == level).astype(float)
            for name, levels in self.levels_.items()
            for level in levels
        ]
        x = torch.as_tensor(np.stack(columns, 1), dtype=torch.float32)
        return Rows(x, torch.ones(len(x), dtype=torch.bool))


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _floats(column: pd.Series) -> np.ndarray:
    values = column.astype("Float64").to_numpy(float, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)
