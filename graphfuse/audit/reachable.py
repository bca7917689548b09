"""Test labels that can be reached from a fitted step: in an array, a table, a cohort, a closure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from graphfuse.audit.walk import walk
from graphfuse.cohort import Cohort

SCALARS = (str, int, float, bool, np.generic, type(None))
FEWEST = 12  # test subjects; a shorter list of codes equals the labels by chance too often


def reachable_labels(fitted, cohort: Cohort, test: np.ndarray) -> list[str]:
    """Places, from `fitted` on, that hold the labels of the test subjects.

    A list, array, tensor or column holds them when it has one entry a subject, of the cohort or of the test set, that
    is the label up to renaming the classes (other row orders are not looked for). A table, series or dict keyed by
    subject holds them when its entries at the test subjects are; a `Cohort` when it has labels and test subjects.

    Parameters
    ----------
    fitted : object
    cohort : Cohort
        With its labels.
    test : array (n_test,) int
        At least `FEWEST` rows.

    Returns
    -------
    list of str
        Such as ``model.steps_[2].mask``; empty when there is none.
    """
    subjects, y = cohort.subjects, cohort.y
    return [place for place, value in walk(fitted) if _holds(value, subjects, y, test)]


def _holds(value, subjects: pd.Index, y: np.ndarray, test: np.ndarray) -> bool:
    if isinstance(value, Cohort):
        return value.target is not None and len(subjects[test].intersection(value.subjects)) > 0
    if isinstance(value, pd.DataFrame):
        return any(_holds(value.iloc[:, j], subjects, y, test) for j in range(value.shape[1]))
    if isinstance(value, (pd.Series, Mapping)):
        return _keyed(value, subjects, y, test) or _listed(
            list(value.values()) if isinstance(value, Mapping) else value, y, test
        )
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy() if value.layout is torch.strided else np.zeros(0)
    if isinstance(value, np.ndarray) and value.ndim == 2:  # indicators or one column a class
        return any(_listed(value[:, j], y, test) for j in range(min(value.shape[1], 64)))
    return isinstance(value, (np.ndarray, list, tuple)) and _listed(value, y, test)


def _keyed(value, subjects: pd.Index, y: np.ndarray, test: np.ndarray) -> bool:
    """Entries found under the ids of the test subjects."""
    there = [i for i in test if subjects[i] in value]
    if len(there) < FEWEST:
        return False
    return _renamed([value[subjects[i]] for i in there], y[there])


def _listed(values, y: np.ndarray, test: np.ndarray) -> bool:
    if getattr(values, "ndim", 1) != 1 or len(values) not in (len(y), len(test)) or len(test) < FEWEST:
        return False
    if isinstance(values, (list, tuple)) and not all(isinstance(value, SCALARS) for value in values):
        return False
    values = np.asarray(values, dtype=object)
    return _renamed(values[test] if len(values) == len(y) else values, y[test])


def _renamed(values, y: np.ndarray) -> bool:
    """Whether `values` are `y` with the classes renamed, and y has two classes at least."""
    try:
        mine, theirs = pd.factorize(np.asarray(values, dtype=object))[0], pd.factorize(y)[0]
    except TypeError:  # entries that cannot be compared are no labels
        return False
    return len(np.unique(y)) > 1 and np.array_equal(mine, theirs)
