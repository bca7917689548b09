"""Dealing people out like cards: every part gets its share of each class, and nobody's group is parted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from graphfuse._check import check_range, check_shape
from graphfuse.errors import ClassTooSmall, SingleClassFold


def deal(y: np.ndarray, groups: np.ndarray, sites: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Place (G,) of each group in a shuffled row that is sorted by class, then site, then size.

    Any systematic choice along this row (every K-th, every fifth) is stratified by class x site, with at most one
    group too many or too few.

    Parameters
    ----------
    y : array (N,) int
        Class codes.
    groups : array (N,) int
        Group codes 0 ... G - 1.
    sites : array (N,) or None
        Site of each subject.
    rng : numpy Generator
        Shuffles the groups and the order of the sites.
    """
    n = groups.max() + 1
    size = np.bincount(groups, minlength=n)
    members = np.zeros((n, y.max() + 1), dtype=bool)
    members[groups, y] = True
    kind = np.unique(members, axis=0, return_inverse=True)[1].ravel()  # which classes a group holds: a stratum
    first = np.unique(groups, return_index=True)[1]
    site = np.zeros(n, dtype=int) if sites is None else pd.factorize(sites[first])[0] + 1  # 0: site not known
    site = rng.permutation(site.max() + 1)[site]
    order = np.lexsort((rng.random(n), size, site, kind))
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    return place


def inner_split(
    y: np.ndarray, groups: np.ndarray | None = None, fraction: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Part training subjects once more, for early stopping: (train, validation), int arrays of rows.

    Parameters
    ----------
    y : array (n,) int
        Class codes of the training subjects.
    groups : array (n,) or None
        Who must stay together; None: nobody.
    fraction : float
        Share of the groups that validates, in (0, 0.5].
    seed : int
        Seed of the shuffling.

    Raises
    ------
    ClassTooSmall
        A class has one group only: it cannot be on both sides.
    SingleClassFold
        One side would be empty or the training side would lose a class.
    """
    check_range("fraction", fraction, 0, 0.5, open_low=True)
    y, groups = _checked(y, groups)
    rng = np.random.default_rng(seed)
    step = (deal(y, groups, None, rng) + rng.random()) * fraction
    chosen = (np.floor(step + fraction) > np.floor(step))[groups]  # every 1/fraction-th group along the row
    if not chosen.any():  # fewer groups than 1/fraction: one of the largest class
        chosen = groups == groups[np.flatnonzero(y == np.bincount(y).argmax())[0]]
    train, validation = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    _check_training(y, train)
    return train, validation


def inner_folds(y: np.ndarray, groups: np.ndarray | None = None, folds: int = 5, seed: int = 0) -> np.ndarray:
    """Fold (n,) of each training subject, for scores that no subject's own label has touched.

    Parameters
    ----------
    y, groups, seed
        As in `inner_split`.
    folds : int
        At most; fewer where the smallest class has fewer groups.

    Raises
    ------
    ClassTooSmall, SingleClassFold
        As in `inner_split`.
    """
    check_range("folds", folds, 2)
    y, groups = _checked(y, groups)
    folds = min(folds, _groups_of_smallest_class(y, groups))
    fold_of = (deal(y, groups, None, np.random.default_rng(seed)) % folds)[groups]
    for fold in range(folds):
        _check_training(y, np.flatnonzero(fold_of != fold))
    return fold_of


def _checked(y, groups) -> tuple[np.ndarray, np.ndarray]:
    """Class codes and group codes 0 ... G - 1, where every class has two groups at least."""
    y = np.asarray(y)
    groups = np.arange(len(y)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    check_shape("groups", groups, (len(y),))
    if _groups_of_smallest_class(y, groups) < 2:
        raise ClassTooSmall(
            f"Training needs at least two independent members of every class, to choose on one what the other is "
            f"trained for; the smallest class has 1 of {len(y)} subjects. Use fewer folds, or gather more subjects."
        )
    return y, groups


def _groups_of_smallest_class(y: np.ndarray, groups: np.ndarray) -> int:
    return min(len(np.unique(groups[y == code])) for code in np.unique(y))


def _check_training(y: np.ndarray, train: np.ndarray) -> None:
    if len(np.unique(y[train])) < len(np.unique(y)):
        raise SingleClassFold(
            f"The families of {len(y)} training subjects are too few to hold some out and keep every class in "
            "training; use fewer folds or gather more subjects."
        )
