"""The door that every classifier of cohorts shares: labels in, labels out, nothing else about the test subjects."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from graphfuse.cohort import Cohort
from graphfuse.errors import (
    AtlasMismatch,
    GraphFuseError,
    MissingModality,
    NotFitted,
    ShapeMismatch,
    SingleClassFold,
    UnknownLabel,
)


class CohortClassifier(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier whose ``X`` is a `Cohort`.

    A child writes ``_fit(cohort, codes)`` and ``_predict_proba(cohort) -> (N, C)``; both get a blind cohort.
    ``_modalities(cohort)`` names the signals that the fitted model reads.
    """

    def fit(self, cohort: Cohort, y=None, **options):
        """Fit on these subjects; a given `y` (N,) wins over the cohort's own labels.

        They are sorted by id first: seeds deal people out by row, and the same people in another order are the same
        training set.

        Raises `SingleClassFold` when there is one class only, `MissingModality` when nobody of a class has a modality
        that the model reads: its absence would be the diagnosis.
        """
        _check_cohort(cohort)
        y = cohort.y if y is None else np.asarray(y)
        if y.shape != cohort.shape:
            raise ShapeMismatch(f"y must have shape {cohort.shape}, one label a subject; got {y.shape}.")
        if any(label is None or label != label for label in y.tolist()):
            raise UnknownLabel("Every training subject needs a label; y holds missing ones. Leave these subjects out.")
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise SingleClassFold(f"Training needs two classes; all {len(y)} subjects have {self.classes_[0]!r}.")
        self.class_names_ = cohort.classes
        order = np.argsort(cohort.subjects.to_numpy(object), kind="stable")
        cohort, codes = cohort[order], codes[order]
        self._fit(cohort.blind(), codes, **options)
        self.layout_ = {name: layout(cohort.signals[name]) for name in self._modalities(cohort)}
        for name in self.layout_:
            self._check_every_class_has(name, cohort.has(name), codes)
        return self

    def predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Probability of each class, (N, C), columns as `classes_`. Labels of the cohort are never looked at."""
        return self._predict_proba(self._admitted(cohort))

    def predict(self, cohort: Cohort) -> np.ndarray:
        """The most probable class of each subject, (N,)."""
        return self.classes_[self.predict_proba(cohort).argmax(1)]

    def score(self, cohort: Cohort, y=None) -> float:
        """Accuracy on these subjects."""
        return float(np.mean(self.predict(cohort) == (cohort.y if y is None else np.asarray(y))))

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        """Names of the signals that the fitted model reads; all of them unless a child knows better."""
        return cohort.signals

    def _admitted(self, cohort: Cohort) -> Cohort:
        """The cohort, blind, once it is clear that this model is fitted and can read it."""
        if not hasattr(self, "layout_"):
            raise NotFitted(f"{type(self).__name__} has not been fitted; call fit(cohort) first.")
        _check_cohort(cohort)
        self._check_layout(cohort)
        return cohort.blind()

    def _check_every_class_has(self, name: str, has: np.ndarray, codes: np.ndarray) -> None:
        for code, label in enumerate(self.classes_):
            if not has[codes == code].any():
                raise MissingModality(
                    f"Nobody of class {label!r} has {name!r}, so that its absence would be the diagnosis. "
                    "Leave this modality out, or gather it in every class."
                )

    def _check_layout(self, cohort: Cohort) -> None:
        """New subjects must bring the modalities and regions that the model was fitted on, in the same order."""
        for name, wanted in self.layout_.items():
            if name not in cohort.signals:
                raise MissingModality(
                    f"The model was fitted with {name!r}; this cohort has {sorted(cohort.signals)}. Name it in "
                    "the manifest; single subjects may lack it."
                )
            if layout(cohort.signals[name]) != wanted:
                raise AtlasMismatch(
                    f"signals[{name!r}] has other regions or columns than the model was fitted on. "
                    "Extract them with the same atlas, in the same order."
                )


def layout(signal) -> list[str]:
    """Names of the regions, or of the entries of a vector."""
    return [*signal.names, *signal.columns] if signal.kind != "vector" else [str(signal.n_regions), *signal.columns]


def _check_cohort(cohort) -> None:
    if not isinstance(cohort, Cohort):
        raise GraphFuseError(f"Expected a Cohort (gf.read_cohort, gf.load_abide); got {type(cohort).__name__}.")
    if len(cohort) == 0:
        raise GraphFuseError("The cohort has no subjects.")
