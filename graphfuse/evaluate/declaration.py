"""What a fitted model says it used, step by step: whose data, whose labels, which phenotypes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

COLUMNS = ("step", "kind", "data", "labels", "phenotypes")
SCOPES = {
    "own": "each subject's own",
    "training": "training subjects",
    "features": "training subjects and the features of unlabelled test subjects",
}


def declaration(fitted) -> pd.DataFrame:
    """One row a fitted step: what it read while it was fitted.

    graphfuse's own steps declare ``scope`` (a key of `SCOPES`), ``uses_y`` and ``phenotypes_read``; scikit-learn's
    tell by their tags whether they need y, and see the training subjects only. A step of somebody else that tells
    nothing is listed as not declared.

    Parameters
    ----------
    fitted : estimator
        With its fitted parts in its attributes, in lists, tuples or dicts of them.

    Returns
    -------
    DataFrame
        step (place in the model), kind (class), data, labels, phenotypes.
    """
    return pd.DataFrame(list(_rows("model", fitted, set())), columns=COLUMNS)


def _rows(place: str, value, seen: set[int]) -> Iterator[tuple[str, ...]]:
    if id(value) in seen:
        return
    if isinstance(value, BaseEstimator):
        seen.add(id(value))
        if _is_fitted(value):
            yield (place, type(value).__name__, *_declared(value))
        for name, part in vars(value).items():
            yield from _rows(f"{place}.{name}", part, seen)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _rows(f"{place}.{name}", part, seen)
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            yield from _rows(f"{place}.{i}", part, seen)


def _is_fitted(step: BaseEstimator) -> bool:
    """Has attributes that only fitting makes; a step that keeps nothing (a sparsifier) reads nobody else's data."""
    return any(name.endswith("_") and not name.startswith("_") for name in vars(step))


def _declared(step: BaseEstimator) -> tuple[str, str, str]:
    columns = ", ".join(map(str, getattr(step, "phenotypes_read", ())))
    if hasattr(step, "scope"):
        return SCOPES[step.scope], "training subjects" if step.uses_y else "none", columns
    if type(step).__module__.partition(".")[0] == "sklearn":
        return SCOPES["training"], "training subjects" if get_tags(step).target_tags.required else "none", columns
    return "not declared", "not declared", columns
