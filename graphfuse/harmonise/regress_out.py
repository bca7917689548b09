"""Linear confound regression, fitted on the training subjects."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from graphfuse._check import check_finite, check_shape
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, NotFitted
from graphfuse.harmonise.design import apply_design, fit_design, refuse_labels


def fit_slopes(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Least-squares slopes (Q, P) of X (N, P) on 1 and C (N, Q); of least norm where C is collinear."""
    return np.linalg.lstsq(C - C.mean(0), X - X.mean(0), rcond=None)[0]


class RegressOut(BaseEstimator):
    """Subtract the linear effect of phenotype columns, ``x - (c - mean c) b``, with b of the training subjects.

    Parameters
    ----------
    columns : sequence of str
        Numbers as they are, a missing one is the training median; text by its levels, a missing value is a level of
        its own and a level that training lacks has no effect. Never the diagnosis.

    Attributes
    ----------
    slopes_ : array (Q, P)

    Raises
    ------
    LabelLeakageError, LeakColumn
        A column is the diagnosis or gives it away.
    InvalidOption
        No column, an unknown one, or as many regressors as subjects.

    Notes
    -----
    The class codes that `fit` takes are read to refuse, never to estimate.

    References
    ----------
    Snoek, Miletic & Scholte 2019, doi:10.1016/j.neuroimage.2018.09.074: regress within the fold.
    """

    uses_y = False
    scope = "training"

    def __init__(self, columns):
        self.columns = columns

    @property
    def phenotypes_read(self) -> tuple[str, ...]:
        """The columns that it reads."""
        return tuple(self.columns)

    def fit(self, X: np.ndarray, cohort: Cohort, codes: np.ndarray | None = None) -> RegressOut:
        """Estimate from X (N, P), the vectors of these N training subjects; `codes` (N,) only serve to refuse."""
        X = check_finite("X", check_shape("X", np.asarray(X, float), (len(cohort), None)))
        if not len(self.columns):
            raise InvalidOption("RegressOut(columns) must name at least one phenotype column; got none.")
        cohort.check_columns(self.columns, "RegressOut")
        refuse_labels(cohort.phenotypes, self.columns, codes, "RegressOut")
        self.design_ = fit_design(cohort.phenotypes, self.columns)
        C = apply_design(cohort.phenotypes, self.design_)
        if C.shape[1] + 1 >= len(X):
            raise InvalidOption(
                f"RegressOut needs more training subjects than regressors; got {len(X)} subjects and {C.shape[1] + 1} "
                "regressors. Name fewer columns, or columns with fewer levels."
            )
        self.slopes_ = fit_slopes(X, C)
        return self

    def transform(self, X: np.ndarray, cohort: Cohort) -> np.ndarray:
        """The vectors X (N, P) of these subjects without the effect of the columns, (N, P) float64."""
        if not hasattr(self, "slopes_"):
            raise NotFitted("RegressOut has not been fitted; call fit(X, cohort, codes) first.")
        X = check_finite("X", check_shape("X", np.asarray(X, float), (len(cohort), self.slopes_.shape[1])))
        cohort.check_columns(self.columns, "RegressOut")
        return X - apply_design(cohort.phenotypes, self.design_) @ self.slopes_
