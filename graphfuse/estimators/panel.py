"""A panel of models, each with a say about the people whom it can read, and asked without having seen them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, clone

from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption
from graphfuse.estimators.dealing import inner_folds
from graphfuse.estimators.ridge import Ridge

READABLE = ("connectivity", "measures", "timeseries", "vector")


class Opinions(NamedTuple):
    """What M models say of N people.

    Parameters
    ----------
    probabilities : array (N, M, C)
        Equal shares where a model cannot read somebody.
    present : bool array (N, M)
    """

    probabilities: np.ndarray
    present: np.ndarray


def default_models(cohort: Cohort) -> dict[str, Ridge]:
    """A `Ridge` for every modality that has one by default."""
    return {name: Ridge((name,)) for name, signal in cohort.signals.items() if signal.kind in READABLE}


def fit_panel(
    models: Mapping[str, BaseEstimator] | None, cohort: Cohort, labels: np.ndarray
) -> dict[str, BaseEstimator]:
    """Fit a clone of each model on the people whom it can read, by sorted name.

    What a model reads shows once it is fitted; where somebody has none of it, it is fitted again without them.

    Raises
    ------
    InvalidOption
        No model at all.
    MissingModality
        Nobody of a class has a modality that a model reads.
    """
    models = models or default_models(cohort)
    if not models:
        raise InvalidOption("No modality of this cohort has a model by default; name models={name: estimator}.")
    return {name: _fit_readable(model, cohort, labels) for name, model in sorted(models.items())}


def _fit_readable(model: BaseEstimator, cohort: Cohort, labels: np.ndarray) -> BaseEstimator:
    fitted = clone(model).fit(cohort, labels)
    able = readable(fitted, cohort)
    return fitted if able.all() else clone(model).fit(cohort[able], labels[able])


def modalities_read(fitted: BaseEstimator) -> list[str]:
    """Names of the signals that a fitted model reads; of a search, those of its best model."""
    return list(getattr(getattr(fitted, "best_estimator_", fitted), "layout_", ()))


def readable(fitted: BaseEstimator, cohort: Cohort) -> np.ndarray:
    """Who has one modality at least that the fitted model reads, bool (N,); everybody, if it reads no signal."""
    names = modalities_read(fitted)
    return np.any([cohort.has(name) for name in names], axis=0) if names else np.ones(len(cohort), dtype=bool)


def ask_panel(fitted: Mapping[str, BaseEstimator], cohort: Cohort, classes: np.ndarray) -> Opinions:
    """What the fitted models say of these people, models in the order of the dict."""
    present = np.stack([readable(model, cohort) for model in fitted.values()], axis=1)
    p = np.full((*present.shape, len(classes)), 1 / len(classes))
    for m, model in enumerate(fitted.values()):
        p[present[:, m], m] = _ask(model, cohort, present[:, m], classes)
    return Opinions(p, present)


def _ask(model: BaseEstimator, cohort: Cohort, rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Probabilities (n, C) of some people; a class that was not in the model's training gets none."""
    p = np.zeros((int(rows.sum()), len(classes)))
    if rows.any():
        p[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(cohort if rows.all() else cohort[rows])
    return p


def out_of_fold(
    fitted: Mapping[str, BaseEstimator], cohort: Cohort, codes: np.ndarray, classes: np.ndarray, folds: int, seed: int
) -> Opinions:
    """What models like the fitted ones say of each training subject when they were trained without their fold.

    Folds are stratified by class, groups of the cohort stay together. A model has no say in a fold whose other people
    leave it with one class.

    Parameters
    ----------
    fitted : dict of estimator
        On all training subjects; clones of them are trained.
    cohort : Cohort
        The training subjects, blind.
    codes : int array (N,)
    classes : array (C,)
        Labels of the codes.
    folds, seed
        As in `inner_folds`.
    """
    fold_of = inner_folds(codes, cohort.groups, folds, seed)
    able = np.stack([readable(model, cohort) for model in fitted.values()], axis=1)
    p, present = np.full((*able.shape, len(classes)), 1 / len(classes)), np.zeros(able.shape, dtype=bool)
    for fold in range(fold_of.max() + 1):
        for m, model in enumerate(fitted.values()):
            rows, others = able[:, m] & (fold_of == fold), able[:, m] & (fold_of != fold)
            if rows.any() and len(np.unique(codes[others])) > 1:
                part = clone(model).fit(cohort[others], classes[codes[others]])
                p[rows, m], present[rows, m] = _ask(part, cohort, rows, classes), True
    return Opinions(p, present)


def scope_of_panel(models: Mapping[str, BaseEstimator] | None) -> str:
    """``features`` if a model reads the features of new subjects together, else ``training``."""
    scopes = {getattr(innermost(model), "scope", "training") for model in (models or {}).values()}
    return "features" if "features" in scopes else "training"


def innermost(model):
    """The model that searches and conformal wrappers, however many, are about; any other model itself."""
    while (part := getattr(model, "estimator", getattr(model, "model", None))) is not None:
        model = part
    return model
