"""Sets of classes instead of one class: as large as the model's doubt, and right as often as asked."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.base import clone

from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.dealing import inner_folds
from graphfuse.estimators.panel import scope_of_panel

CAVEATS = (
    "The coverage is an average over new subjects who are exchangeable with the training subjects (same sites, same "
    "recruitment, one subject a family); it is not a promise for one subject.",
    "A new site, scanner or patient mix breaks exchangeability, and the coverage with it; nothing in the sets tells.",
    "Cross-conformal sets with error a = 1 - coverage are proven to cover 1 - 2a (less a little for few folds), and "
    "cover about 1 - a in practice.",
    "Inductive models only: a graph that new subjects change needs other scores (transductive: Huang et al. 2023, "
    "CF-GNN; inductive: Zargarbashi and Bojchevski 2024).",
)


class ConformalClassifier(CohortClassifier):
    """Cross-conformal prediction sets around any classifier of cohorts.

    Fold k of the training subjects is scored by a model fitted on the others, ``s_i = 1 - p_(-k(i))(y_i | x_i)``. A
    class c is in the set of a new subject x when its p-value exceeds 1 - coverage::

        p(c) = (1 + #{i : s_i >= 1 - p_(-k(i))(c | x)}) / (1 + n)

    With `by_class`, i runs over the training subjects of class c only, so that each class is covered as often as asked.
    A set may hold every class (the model cannot tell) or none (unlike anybody in training).

    Parameters
    ----------
    model : estimator
        Inductive classifier of cohorts.
    coverage : float
        Share of new subjects whose set should hold their class, in (0, 1).
    folds : int
        Inner folds, which keep groups together; fewer where a class has fewer groups.
    by_class : bool
        Coverage within each class.
    random_state : int
        Seed of the inner folds.

    Attributes
    ----------
    caveats : tuple of str
        What the coverage rests on, for a report to print.
    model_ : the model fitted on all training subjects, which gives ``predict_proba``
    fold_models_ : list of the K models, each without one fold
    scores_ : list of K arrays (n_k,), the scores s_i of each fold
    codes_ : list of K int arrays (n_k,), the classes of each fold

    Raises
    ------
    InvalidOption
        Coverage outside (0, 1), or a model that reads the features of new subjects together.

    References
    ----------
    Vovk 2015, Cross-conformal predictors, arXiv:1208.0806; Barber et al. 2021, doi:10.1214/20-AOS1965 (the 1 - 2a
    bound); Romano, Sesia & Candes 2020, arXiv:2006.02544
    """

    uses_y = True
    caveats = CAVEATS

    def __init__(self, model, coverage=0.9, folds=5, by_class=False, random_state=0):
        self.model = model
        self.coverage = coverage
        self.folds = folds
        self.by_class = by_class
        self.random_state = random_state

    @property
    def scope(self) -> str:
        """That of the model."""
        return scope_of_panel({"model": self.model})

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        _check_coverage(self.coverage)
        if self.scope == "features":
            raise InvalidOption(
                "ConformalClassifier needs an inductive model; got one that reads the features of new subjects "
                "together. Set transductive=False, and on_unseen of its harmonisation to another value."
            )
        fold_of = inner_folds(codes, cohort.groups, self.folds, self.random_state)
        self.model_ = clone(self.model).fit(cohort, self.classes_[codes])
        self.fold_models_, self.scores_, self.codes_ = [], [], []
        for fold in range(fold_of.max() + 1):
            train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            model = clone(self.model).fit(cohort[train], self.classes_[codes[train]])
            p = model.predict_proba(cohort[test])  # (n_k, C)
            self.fold_models_.append(model)
            self.scores_.append(1 - p[np.arange(len(test)), codes[test]])
            self.codes_.append(codes[test])

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return getattr(self.model_, "layout_", cohort.signals)

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        return self.model_.predict_proba(cohort)

    def p_values(self, cohort: Cohort) -> pd.DataFrame:
        """How well each class fits each subject among the training subjects, (N, C) in (0, 1]; index subject ids."""
        cohort = self._admitted(cohort)
        above, n = np.zeros((len(cohort), len(self.classes_))), np.zeros(len(self.classes_))
        for model, scores, codes in zip(self.fold_models_, self.scores_, self.codes_, strict=True):
            new = 1 - model.predict_proba(cohort)  # (N, C)
            for c in range(len(self.classes_)):
                judges = np.sort(scores[codes == c] if self.by_class else scores)
                above[:, c] += len(judges) - np.searchsorted(judges, new[:, c], side="left")
                n[c] += len(judges)
        return pd.DataFrame((above + 1) / (n + 1), index=cohort.subjects, columns=self._names())

    def predict_set(self, cohort: Cohort) -> pd.DataFrame:
        """Which classes cannot be ruled out, (N, C) bool; index subject ids, columns class names."""
        return self.p_values(cohort) > 1 - _check_coverage(self.coverage)

    def _names(self) -> list:
        """Class names, where the labels are positions in the cohort's class coding."""
        names = self.class_names_
        if np.issubdtype(self.classes_.dtype, np.integer) and 0 <= self.classes_[0] <= self.classes_[-1] < len(names):
            return [names[code] for code in self.classes_]
        return self.classes_.tolist()


def _check_coverage(coverage: float) -> float:
    if not 0 < coverage < 1:
        raise InvalidOption(f"coverage must lie between 0 and 1, without either; got {coverage!r}. 0.9 is usual.")
    return coverage
