"""What a diagnosis costs without a brain: the majority class, and the confounds alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from graphfuse.cohort import Cohort
from graphfuse.errors import GraphFuseError, InvalidOption
from graphfuse.estimators.base import CohortClassifier


class Majority(CohortClassifier):
    """The class shares of the training subjects, for everybody."""

    uses_y = True
    scope = "training"

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        self.shares_ = np.bincount(codes) / len(codes)

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return ()

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return np.tile(self.shares_, (len(cohort), 1))


class Confounds(CohortClassifier):
    """Logistic regression on the confounds (age, sex, motion) and the site, without any image.

    A confound of the cohort that was withheld, because it gives the class away, is left out; when none is left the
    answer is the class shares.

    Parameters
    ----------
    columns : sequence of str or None
        Phenotypes; None = the cohort's confounds and its site.
    C : float
        Inverse penalty.
    """

    uses_y = True
    scope = "training"

    def __init__(self, columns=None, C=1.0):
        self.columns = columns
        self.C = C

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        self.columns_ = list(self.columns or (*cohort.confounds, *([cohort.site] if cohort.site else [])))
        if not self.columns_ and len(cohort.withheld) <= 1:  # the label, and nothing that leaks
            raise GraphFuseError(
                "The cohort names no confounds and no site; name them (confounds = [...]) or drop this model."
            )
        cohort.check_columns(self.columns_, "Confounds")
        if not self.columns_:  # every one of them gives these subjects' class away and was withheld
            self.model_ = DummyClassifier(strategy="prior").fit(self._table(cohort), codes)
            return
        numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        names = OneHotEncoder(handle_unknown="ignore")
        encode = make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (names, make_column_selector(dtype_exclude="number")),
        )
        self.model_ = make_pipeline(encode, LogisticRegression(C=self.C, max_iter=1000))
        self.model_.fit(self._table(cohort), codes)

    @property
    def phenotypes_read(self) -> tuple[str, ...]:
        """The columns that the fitted model reads."""
        return tuple(self.columns_)

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return ()

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return self.model_.predict_proba(self._table(cohort))

    def _table(self, cohort: Cohort) -> pd.DataFrame:
        """The columns as floats or as text; a missing value of a text is a level of its own."""
        columns = {name: _plain(cohort.phenotypes[name]) for name in self._found(cohort)}
        return pd.DataFrame(columns, index=cohort.subjects)

    def _found(self, cohort: Cohort) -> list[str]:
        for name in self.columns_:
            if name not in cohort.phenotypes.columns:
                raise InvalidOption(
                    f"Confounds needs the column {name!r}, which these phenotypes do not have. Add it, or leave it "
                    "out of columns and fit again."
                )
        return self.columns_


def _plain(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = column.astype("Float64").astype(float)
        return numbers.where(np.isfinite(numbers))  # infinite is missing, as in the design of the harmonisation
    return column.astype(object).map(str).where(column.notna(), "missing")
