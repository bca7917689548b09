"""What is audited: an estimator, or the user's own function from a cohort and a split to probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cloudpickle
import numpy as np
import pandas as pd

from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.evaluate.cross_validation import Fold, fit_fold, withheld

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """What a pipeline gave for one fold: probabilities (n_test, C), and what it fitted (None: it did not say)."""

    probabilities: np.ndarray
    fitted: object | None = None


@dataclass(frozen=True)
class Pipeline:
    """A name and what to run.

    Parameters
    ----------
    name : str
    run : estimator or callable
        An estimator is run as `cross_validate` runs it. A callable is run as its author would run it, with everything
        in reach: ``run(cohort, train, test) -> probabilities (n_test, C)``, or ``(probabilities, fitted)``; ``cohort``
        has all its labels, and what goes wrong is for the audit to find.
    """

    name: str
    run: object

    def __post_init__(self):
        if not hasattr(self.run, "fit") and not callable(self.run):
            raise InvalidOption(
                f"A pipeline must be an estimator or a function (cohort, train, test) -> probabilities; got "
                f"{type(self.run).__name__}."
            )

    @property
    def is_estimator(self) -> bool:
        """Whether it is run through `cross_validate`'s own steps."""
        return hasattr(self.run, "fit")

    @property
    def transductive(self) -> bool:
        """Whether it says that it reads the features of test subjects."""
        return bool(getattr(self.run, "transductive", False))

    def outcome(self, cohort: Cohort, splits: Sequence[Split], columns: Sequence[str] | None = None) -> Outcome:
        """Run the folds in their order with a fresh copy of the pipeline; the outcome of the last one.

        The earlier folds are run too, because a function may carry something over from them.

        Parameters
        ----------
        columns : sequence of str or None
            Phenotypes to withhold from an estimator; None = those that give the training subjects' class away.
        """
        run = _fresh(self.run)
        if not self.is_estimator:
            for train, test in splits[:-1]:
                run(cohort, train, test)
            return _checked(run(cohort, *splits[-1]), len(splits[-1][1]), len(cohort.classes))
        train, test = splits[-1]
        columns = withheld(cohort[train]) if columns is None else tuple(columns)
        fold = Fold(0, 0, train, test, columns)
        fitted, probabilities = fit_fold(run, cohort.blind(), cohort.y[train], fold)
        return Outcome(probabilities, fitted)


def altered_outcome(pipeline: Pipeline, cohort: Cohort, splits: Sequence[Split], columns=None) -> Outcome:
    """The outcome on a cohort that was altered on purpose; warnings about what was made odd are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pipeline.outcome(cohort, splits, columns)


def columns_shown(pipeline: Pipeline, cohort: Cohort, train: np.ndarray):
    """The withheld columns are judged on training subjects, so they are the same however the test labels read."""
    return withheld(cohort[train]) if pipeline.is_estimator else None


def _fresh(run):
    """A copy that shares no state with the original, closures included; the bytes never leave this process."""
    return cloudpickle.loads(cloudpickle.dumps(run))


def _checked(answer, n_test: int, n_classes: int) -> Outcome:
    probabilities, fitted = answer if isinstance(answer, tuple) else (answer, None)
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.shape != (n_test, n_classes):
        raise ShapeMismatch(
            f"The pipeline must return probabilities of shape ({n_test}, {n_classes}), one row a test subject in the "
            f"order of `test`; got {probabilities.shape}."
        )
    return Outcome(probabilities, fitted)


def with_labels(cohort: Cohort, rows: np.ndarray, codes: np.ndarray | None) -> Cohort:
    """The cohort with other labels in `rows`; ``codes=None`` removes them (y is then -1 there)."""
    names = np.array([*cohort.classes, None], dtype=object)
    labels = cohort.phenotypes[cohort.target].astype(object).to_numpy(copy=True)
    labels[rows] = names[np.full(len(rows), -1) if codes is None else codes]
    table = cohort.phenotypes.assign(**{cohort.target: pd.Series(labels, index=cohort.subjects, dtype=object)})
    if codes is not None:
        return replace(cohort, phenotypes=table)
    lacking = replace(cohort)  # a cohort with missing labels is refused at the door; here it is what is asked for
    object.__setattr__(lacking, "phenotypes", table)
    return lacking
