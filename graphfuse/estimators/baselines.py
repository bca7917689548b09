"""What a diagnosis costs without a brain: the majority class, and the confounds alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from graphfuse.cohort import Cohort
from graphfuse.errors import GraphFuseError
from graphfuse.estimators.base import CohortClassifier


class Majority(CohortClassifier):
    """The class shares of the training subjects, for everybody."""

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        self.shares_ = np.bincount(codes) / len(codes)

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return np.tile(self.shares_, (len(cohort), 1))


class Confounds(CohortClassifier):
    """Logistic regression on the confounds (age, sex, motion) and the site, without any image.

    Parameters
    ----------
    columns : sequence of str or None
        Phenotypes; None = the cohort's confounds and its site.
    C : float
        Inverse penalty.
    """

    def __init__(self, columns=None, C=1.0):
        self.columns = columns
        self.C = C

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        self.columns_ = list(self.columns or (*cohort.confounds, *([cohort.site] if cohort.site else [])))
        if not self.columns_:
            raise GraphFuseError(
                "The cohort names no confounds and no site; name them (confounds = [...]) or drop this model."
            )
        numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        names = OneHotEncoder(handle_unknown="ignore")
        encode = make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (names, make_column_selector(dtype_exclude="number")),
        )
        self.model_ = make_pipeline(encode, LogisticRegression(C=self.C, max_iter=1000))
        self.model_.fit(self._table(cohort), codes)

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return self.model_.predict_proba(self._table(cohort))

    def _table(self, cohort: Cohort) -> pd.DataFrame:
        table = cohort.phenotypes[self.columns_]
        text = table.select_dtypes(exclude="number").columns
        return table.assign(**{name: table[name].astype(object).where(table[name].notna(), "missing") for name in text})
