"""fit_together: many classifiers, each on its own cohort, whose networks are trained as one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphfuse._check import check_shape
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.ensemble import Course, train_ensembles


class CourseClassifier(CohortClassifier):
    """A classifier whose fit has two halves: all that comes before its networks, then the networks.

    A child writes ``_course(cohort, codes, **options) -> Course``, the first half; `fit` is `fit_together` of one.
    """

    def fit(self, cohort: Cohort, y=None, **options):
        """Fit on these subjects, as every classifier of cohorts is fitted."""
        return _fit_all([self], [(cohort, y, options)])[0]

    def _fit(self, cohort: Cohort, codes: np.ndarray, **options) -> None:
        self._waiting = self._course(cohort, codes, **options)

    def _enrol(self, cohort: Cohort, y, options: dict) -> tuple[Course, dict]:
        """The first half: what the networks are to be trained on, and what this model will admit once they are."""
        super().fit(cohort, y, **options)
        return self.__dict__.pop("_waiting"), self.__dict__.pop("layout_")


def fit_together(
    models: Sequence[CourseClassifier],
    cohorts: Sequence[Cohort],
    ys: Sequence | None = None,
    unlabelled: Sequence[Cohort | None] | None = None,
) -> list[CourseClassifier]:
    """Fit ``models[i]`` on ``cohorts[i]``, the networks of all of them as one batch; predictions as if fitted singly.

    Features, graph and inner splits of a model are made from its own cohort before the networks are trained, and its
    numbers do not depend on the models beside it: predictions are within 1e-5 of ``models[i].fit(cohorts[i])``.
    Networks of one shape train as one; those with layers that cannot be stacked (``conv="gat"``) train one after
    another. All cohorts' features are in memory at once.

    Parameters
    ----------
    models : sequence of PopulationClassifier or MLP
        Different objects, of any parameters; clones with other seeds, for example. They are fitted in place.
    cohorts : sequence of Cohort
        Training subjects of each.
    ys : sequence of array (N,), or None
        Labels of each, None = the cohorts' own.
    unlabelled : sequence of Cohort or None, or None
        People that a transductive model takes in without labels.

    Returns
    -------
    list of fitted estimators
        `models`.

    Raises
    ------
    InvalidOption
        A model that trains no networks of this kind, or one that is named twice.
    ShapeMismatch
        Sequences of different lengths.
    """
    n = len(models)
    ys, unlabelled = ([None] * n if given is None else given for given in (ys, unlabelled))
    for name, given in (("cohorts", cohorts), ("ys", ys), ("unlabelled", unlabelled)):
        check_shape(name, np.empty(len(given)), (n,))
    for model in models:
        if not isinstance(model, CourseClassifier):
            raise InvalidOption(
                f"fit_together takes PopulationClassifier and MLP; got {type(model).__name__}. Call its fit instead."
            )
    if len({id(model) for model in models}) < n:
        raise InvalidOption("fit_together fits models in place; one stands twice. Give a clone for each cohort.")
    options = [{} if people is None else {"unlabelled": people} for people in unlabelled]
    return _fit_all(models, list(zip(cohorts, ys, options, strict=True)))


def _fit_all(models: Sequence[CourseClassifier], lots: Sequence[tuple]) -> list[CourseClassifier]:
    enrolled = [model._enrol(*lot) for model, lot in zip(models, lots, strict=True)]
    trained = train_ensembles([course for course, _ in enrolled])
    for model, (_, layout), (network, history) in zip(models, enrolled, trained, strict=True):
        model.network_, model.history_, model.layout_ = network, history, layout
    return list(models)
