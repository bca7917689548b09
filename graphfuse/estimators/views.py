"""What a system reads of a cohort: views by role, each of one modality or of the phenotypes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator, clone

from graphfuse._check import check_option
from graphfuse.cohort import Cohort
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.estimators.dealing import inner_split
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows

PHENOTYPES = "phenotypes"  # in READS of a view that is given the cohort, not a signal of it


def early_split(
    views: Mapping[str, BaseEstimator],
    signals: Mapping[str, str] | None,
    cohort: Cohort,
    codes: np.ndarray,
    fraction: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray] | None:
    """The inner split of all networks where a view reads labels, else None, and each draws its own.

    A choice of features that was told the classes of the people who choose the epoch and the temperature tells these
    people apart, come what may, and their loss measures nothing. So the split comes first, and such a view learns from
    its first part.

    Returns
    -------
    pair of int arrays or None
        Rows of the cohort, of people who have something that a view reads.
    """
    if not any(getattr(view, "uses_y", False) for view in views.values()):
        return None
    everybody = np.ones(len(cohort), dtype=bool)
    has = [
        everybody if PHENOTYPES in view.READS else cohort.has(modality(role, signals)) for role, view in views.items()
    ]
    rows = np.flatnonzero(np.any(has, axis=0))
    train, validation = inner_split(codes[rows], cohort.groups[rows], fraction, seed)
    return rows[train], rows[validation]


def places(split: tuple[np.ndarray, np.ndarray] | None, rows: np.ndarray) -> tuple[np.ndarray, ...] | None:
    """Where the rows of a split stand among the sorted `rows`."""
    return None if split is None else tuple(np.searchsorted(rows, part) for part in split)


def fit_views(
    views: Mapping[str, BaseEstimator],
    signals: Mapping[str, str] | None,
    cohort: Cohort,
    codes: np.ndarray,
    split: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, BaseEstimator]:
    """Fit a clone of each view on these subjects.

    Parameters
    ----------
    views : dict of str to view
        By role. A view has ``READS`` (kinds of signal, or ``("phenotypes",)``), ``fit(signal)``, or
        ``fit(signal, codes)`` where its ``uses_y`` is true, and ``transform(signal) -> Graphs or Rows``.
    signals : dict of str to str, or None
        Role -> modality, where the two names differ.
    cohort : Cohort
        Training subjects, blind.
    codes : array (N,) int
        Their classes.
    split : pair of int arrays or None
        Of `early_split`: a view that reads labels is fitted on the first part.

    Raises
    ------
    InvalidOption
        No view at all, or a modality that the cohort lacks.
    MissingModality
        No training subject has a modality.
    """
    if not views:
        raise InvalidOption("A system needs a view at least; got none. Name views={role: view}.")
    fitted = {}
    for role, view in sorted(views.items()):
        if getattr(view, "uses_y", False):
            rows = np.arange(len(cohort)) if split is None else split[0]
            fitted[role] = clone(view).fit(_of_training(view, role, signals, cohort[rows]), codes[rows])
        else:
            fitted[role] = clone(view).fit(_of_training(view, role, signals, cohort))
    return fitted


def apply_views(
    fitted: Mapping[str, BaseEstimator], signals: Mapping[str, str] | None, cohort: Cohort
) -> dict[str, Graphs | Rows]:
    """What the fitted views make of these subjects, by role."""
    return {role: view.transform(_source(view, role, signals, cohort)) for role, view in sorted(fitted.items())}


def modality(role: str, signals: Mapping[str, str] | None) -> str:
    """The modality that a role reads."""
    return (signals or {}).get(role, role)


def modalities(fitted: Mapping[str, BaseEstimator], signals: Mapping[str, str] | None) -> list[str]:
    """The modalities that the views read, each once."""
    read = [modality(role, signals) for role, view in fitted.items() if PHENOTYPES not in view.READS]
    return list(dict.fromkeys(read))


def _of_training(view: BaseEstimator, role: str, signals: Mapping[str, str] | None, cohort: Cohort):
    """The source of a view among training subjects, once it is clear that somebody has it."""
    source = _source(view, role, signals, cohort)
    if source is not cohort and not source.present.any():
        raise MissingModality(f"No training subject has {modality(role, signals)!r}; leave this modality out.")
    return source


def _source(view: BaseEstimator, role: str, signals: Mapping[str, str] | None, cohort: Cohort):
    if PHENOTYPES in view.READS:
        return cohort
    name = modality(role, signals)
    return cohort.signals[check_option(f"the modality of views[{role!r}]", name, list(cohort.signals))]


def shapes(inputs: Mapping[str, Graphs | Rows]) -> dict[str, tuple[int, ...]]:
    """What a network must know of its inputs: (R, F) of graphs, (P,) of rows, by role."""
    return {role: tuple(value.x.shape[1:]) for role, value in inputs.items()}


def take(inputs: Mapping[str, Graphs | Rows], rows) -> dict[str, Graphs | Rows]:
    """The inputs of some subjects."""
    return {role: value[rows] for role, value in inputs.items()}


def measured(inputs: Mapping[str, Graphs | Rows]) -> np.ndarray:
    """Rows of the subjects who have one role at least."""
    return np.flatnonzero(np.any([value.present.numpy() for value in inputs.values()], axis=0))
