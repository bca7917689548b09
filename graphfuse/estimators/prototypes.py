"""Prototypes: a population model whose nodes are means of ten people or more, so that its file holds nobody's row."""

from __future__ import annotations

from copy import copy

import numpy as np
import torch
from sklearn.base import clone

from graphfuse._check import check_range
from graphfuse.errors import LeakageError, NotFitted
from graphfuse.estimators.adjusting import steps_of
from graphfuse.estimators.population_classifier import PopulationClassifier
from graphfuse.graph.population import PopulationGraph, _unit_rows

SMALLEST = 10  # people behind a row that may leave the house


def prototypes(model: PopulationClassifier, size: int = SMALLEST) -> PopulationClassifier:
    """Replace the people in a fitted population graph by means of at least `size` of them.

    People with equal categorical traits are gathered where there are at least `size` of them (else with those who
    share all traits but the last, and so on); each gathering is halved along its direction of largest variance as
    long as both halves keep `size` people. A prototype is the mean of the features and of the quantitative traits; a
    category stays if at least `size` of its people share it, else the prototype agrees with nobody there. Weights,
    sigma and the feature steps stay as fitted. No label is looked at.

    Parameters
    ----------
    model : PopulationClassifier
        Fitted inductively.
    size : int
        At least 10.

    Returns
    -------
    PopulationClassifier
        A copy with between N / (2 size) and N / size nodes, ``prototype_size_`` set. Its predictions are not those of
        `model`: see how far they agree on your own data before you share it.

    Raises
    ------
    LeakageError
        A transductive model: it knows only the people in its graph. A harmonisation that keeps means of fewer people.
    InvalidOption
        `size` below 10, or more than there are people.

    Notes
    -----
    No row is one person's, which is not anonymity: who knows nine of ten people and their mean knows the tenth. The
    weights and training statistics were fitted on people too.

    References
    ----------
    The halving follows LeFevre et al. 2006, Mondrian multidimensional k-anonymity, ICDE.
    """
    if not hasattr(model, "graph_"):
        raise NotFitted("Prototypes are made of a fitted PopulationClassifier; call fit(cohort) first.")
    if getattr(model, "unlabelled_", ()):
        raise LeakageError("A transductive model knows only the people in its graph; fit it inductively first.")
    check_range("size", size, SMALLEST, len(model.x_))
    _check_harmonisation(model, size)
    members = gather(model.x_.numpy(), _categories(model.graph_), size)
    result = copy(model)
    result.graph = clone(model.graph, safe=False)  # which may have been fitted elsewhere, on people
    result.x_ = torch.stack([model.x_[rows].mean(0) for rows in members])  # (G, F)
    result.graph_ = _graph_of_means(model.graph_, result.x_, members, size)
    result.prototype_size_ = int(size)
    return result


def is_anonymous(model: PopulationClassifier) -> bool:
    """Whether the nodes of `model` are prototypes of enough people each."""
    return getattr(model, "prototype_size_", 0) >= SMALLEST


def gather(x: np.ndarray, categories: np.ndarray, size: int) -> list[np.ndarray]:
    """Rows of x (N, F) in groups of `size` to 2 size - 1 alike people, of equal categories (N, S) where possible."""
    groups, rest = [], np.arange(len(x))
    for depth in range(categories.shape[1], -1, -1):
        parts = _equal(categories[rest, :depth])
        large = [rest[part] for part in parts if len(part) >= size]
        groups += [half for rows in large for half in _halved(x, rows, size)]
        rest = np.concatenate([rest[:0], *[rest[part] for part in parts if len(part) < size]])
    for row in rest:  # fewer than `size` in all: each joins the nearest mean
        means = np.stack([x[rows].mean(0) for rows in groups])
        nearest = int(np.square(means - x[row]).sum(1).argmin())
        groups[nearest] = np.append(groups[nearest], row)
    return groups


def _check_harmonisation(model: PopulationClassifier, size: int) -> None:
    """The effect of a site is a mean of its people too."""
    fewest = min([getattr(step, "min_site", size) for step in steps_of(model.adjust)], default=size)
    if fewest < size:
        raise LeakageError(
            f"The harmonisation keeps means of sites of {fewest} people and up; prototypes ask for {size}. "
            f"Fit again with min_site={size} in adjust, which pools smaller sites."
        )


def _equal(categories: np.ndarray) -> list[np.ndarray]:
    """Positions with equal rows of categories (n, S), one array a combination; a missing value equals another."""
    _, codes = np.unique(np.nan_to_num(categories, nan=-1), axis=0, return_inverse=True)
    return [np.flatnonzero(codes.ravel() == code) for code in np.unique(codes)]


def _halved(x: np.ndarray, rows: np.ndarray, size: int) -> list[np.ndarray]:
    """`rows` cut in two at the median of their first principal component until a half would be too small."""
    if len(rows) < 2 * size:
        return [rows]
    centred = x[rows].astype(np.float64) - x[rows].mean(0)
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    order = rows[np.argsort(centred @ direction, kind="stable")]
    return [part for half in np.array_split(order, 2) for part in _halved(x, half, size)]


def _categories(graph: PopulationGraph) -> np.ndarray:
    """Codes of the categorical traits, (N, S)."""
    columns = [graph.traits_[name].numpy() for name in graph.same]
    return np.stack(columns, axis=1) if columns else np.zeros((len(graph.units_), 0))


def _graph_of_means(graph: PopulationGraph, x: torch.Tensor, members: list, size: int) -> PopulationGraph:
    result = copy(graph)
    result.units_ = _unit_rows(x)
    result.traits_ = {
        name: torch.stack([_trait(values[rows], name in graph.same, size) for rows in members])
        for name, values in graph.traits_.items()
    }
    result.levels_ = {name: _kept(levels, result.traits_[name]) for name, levels in graph.levels_.items()}
    return result


def _trait(values: torch.Tensor, categorical: bool, size: int) -> torch.Tensor:
    """The trait of a prototype; NaN where too few people share a category, or too few have a quantity."""
    known = values[~values.isnan()]
    if not categorical:
        return known.mean() if len(known) >= size else values.new_tensor(torch.nan)
    levels, counts = known.unique(return_counts=True)
    if not len(levels) or counts.max() < size:
        return values.new_tensor(torch.nan)
    return levels[counts.argmax()]


def _kept(levels: dict[str, float], trait: torch.Tensor) -> dict[str, float]:
    """The categories that a prototype has; the others, held by few people, are forgotten."""
    held = set(trait[~trait.isnan()].tolist())
    return {level: code for level, code in levels.items() if code in held}
