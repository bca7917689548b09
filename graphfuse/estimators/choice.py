"""Nested choice: a grid of settings, judged on inner folds of the training subjects, and how many were tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, balanced_accuracy_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV

from graphfuse._check import check_option, check_range
from graphfuse.cohort import Cohort
from graphfuse.errors import SingleClassFold
from graphfuse.estimators.dealing import inner_folds


def choose(model, grid, folds: int = 5, metric: str = "auc", random_state: int = 0) -> GridSearchCV:
    """A model that chooses its settings on inner folds of whatever subjects it is fitted on.

    In `cross_validate` these are the training subjects of a fold, so that no test subject has a say. It is
    scikit-learn's search with `InnerFolds` and `ProbabilityScore`; `optuna_integration.OptunaSearchCV` takes the same
    two as ``cv`` and ``scoring``.

    Parameters
    ----------
    model : estimator
        Classifier of cohorts.
    grid : dict of str to sequence, or list of these
        Parameter -> values; every combination is tried.
    folds : int
        Inner folds, stratified by class, shuffled; groups stay together.
    metric : str
        ``auc``, ``accuracy``, ``balanced_accuracy``, ``brier`` or ``log_loss``.
    random_state : int
        Seed of the inner folds.

    Returns
    -------
    GridSearchCV
        Unfitted.

    Raises
    ------
    InvalidOption

    References
    ----------
    Cawley & Talbot 2010, On over-fitting in model selection and subsequent selection bias, JMLR 11:2079-2107
    """
    return GridSearchCV(
        model, grid, scoring=ProbabilityScore(metric), cv=InnerFolds(folds, random_state), error_score="raise"
    )


@dataclass(frozen=True)
class InnerFolds:
    """A scikit-learn ``cv`` over training subjects: shuffled, stratified by class, groups of the cohort together.

    Parameters
    ----------
    folds : int
        At most; fewer where the smallest class has fewer groups.
    random_state : int
        Seed of the shuffling.
    """

    folds: int = 5
    random_state: int = 0

    def __post_init__(self):
        check_range("folds", self.folds, 2)

    def split(self, cohort: Cohort, y=None, groups=None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (train, validation), int arrays of rows."""
        fold_of = self._fold_of(cohort, y, groups)
        for fold in range(fold_of.max() + 1):
            yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)

    def get_n_splits(self, cohort: Cohort | None = None, y=None, groups=None) -> int:
        """Number of pairs; `folds` while the subjects are not known."""
        return self.folds if cohort is None else int(self._fold_of(cohort, y, groups).max()) + 1

    def _fold_of(self, cohort: Cohort, y, groups) -> np.ndarray:
        y = np.unique(cohort.y if y is None else y, return_inverse=True)[1]
        return inner_folds(y, cohort.groups if groups is None else groups, self.folds, self.random_state)


def _auc(y, p, classes) -> float:
    if len(classes) == 2:
        return roc_auc_score(y == classes[1], p[:, 1])
    return roc_auc_score(y, p, multi_class="ovr", labels=classes)


# name -> (labels (n,), probabilities (n, C), classes (C,)) -> larger is better
SCORES = {
    "auc": _auc,
    "accuracy": lambda y, p, classes: accuracy_score(y, classes[p.argmax(1)]),
    "balanced_accuracy": lambda y, p, classes: balanced_accuracy_score(y, classes[p.argmax(1)]),
    "brier": lambda y, p, classes: -brier_score_loss(y, p, labels=classes, scale_by_half=True),
    "log_loss": lambda y, p, classes: -log_loss(y, p, labels=classes),
}


@dataclass(frozen=True)
class ProbabilityScore:
    """A scikit-learn ``scoring`` from ``predict_proba``; larger is better, so that brier and log_loss are negated.

    Parameters
    ----------
    metric : str
        A key of `SCORES`. The AUC of more than two classes is the mean of each against the rest.

    Raises
    ------
    SingleClassFold
        The validation subjects lack a class.
    """

    metric: str = "auc"

    def __post_init__(self):
        check_option("metric", self.metric, SCORES)

    def __call__(self, estimator, cohort: Cohort, y) -> float:
        classes, y = np.asarray(estimator.classes_), np.asarray(y)
        present = len(np.intersect1d(classes, y))
        if present < len(classes):
            raise SingleClassFold(
                f"Validation subjects must hold every class; they hold {present} of {len(classes)}. Use fewer inner "
                "folds, or gather more families."
            )
        return float(SCORES[self.metric](y, estimator.predict_proba(cohort), classes))


def tried(fitted) -> int:
    """How many settings were compared anywhere in a fitted estimator; 1 when nothing was tuned.

    A search counts its candidates, or trials, times what its best estimator tried within each; a model with several
    ``alphas`` and a chosen ``alpha_`` (`Ridge`) counts them; parts that stand beside each other (`MeanOfRidges`) add
    up. A wrapper counts what it wraps. The epoch of a network and a temperature are fitted, not counted.

    Parameters
    ----------
    fitted : estimator
        With its fitted parts in attributes that end in ``_``, in lists, tuples or dicts of them.
    """
    within = [part for part in _parts(fitted) if part is not fitted]
    inner = sum(count for count in map(tried, within) if count > 1)
    return prod((_own(fitted), max(inner, 1)))


def _own(fitted) -> int:
    """Candidates that this estimator itself compared."""
    if hasattr(fitted, "trials_"):  # Optuna; its cv_results_ would not be there
        return max(len(fitted.trials_), 1)
    if isinstance(getattr(fitted, "cv_results_", None), Mapping) and "params" in fitted.cv_results_:
        return len(fitted.cv_results_["params"])
    if hasattr(fitted, "alpha_") and hasattr(fitted, "alphas"):
        return max(np.size(fitted.alphas), 1)
    return 1


def _parts(fitted) -> list[BaseEstimator]:
    """The estimators right under this one; for a wrapper the one that was fitted on everybody."""
    for name in ("best_estimator_", "model_"):
        if hasattr(fitted, name):
            return _estimators(getattr(fitted, name))
    kept = [value for name, value in vars(fitted).items() if name.endswith("_") or name == "steps"]
    return _estimators(kept)


def _estimators(value) -> list[BaseEstimator]:
    if isinstance(value, BaseEstimator):
        return [value]
    if isinstance(value, Mapping):
        return _estimators(list(value.values()))
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in _estimators(item)]
    return []
