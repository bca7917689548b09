"""Which subjects may swap places under the null hypothesis: within a site, and only as whole families."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption


def permuted_orders(
    n: int,
    permutations: int,
    within: Sequence | np.ndarray | None = None,
    groups: Sequence | np.ndarray | None = None,
    random_state: int = 0,
) -> Iterator[np.ndarray]:
    """Yield random orders (N,) of N subjects that leave each at the site it is of, and families together.

    A family (a person seen twice, siblings) changes places with another of as many members at the same sites; one
    without an equal stays where it is, which costs power but no validity.

    Parameters
    ----------
    n : int
        N.
    permutations : int
        How many orders.
    within : sequence (N,) or None
        Blocks, such as the site of each subject; None = one block.
    groups : sequence (N,) or None
        Families; None = everybody is one of their own.
    random_state : int
        Seed.

    Raises
    ------
    InvalidOption
        Nobody has anybody to swap with.
    ShapeMismatch

    References
    ----------
    Winkler et al. (2015), Multi-level block permutation, NeuroImage 123.
    """
    swapping = strata(_codes("within", within, n, np.zeros(n, int)), _codes("groups", groups, n, np.arange(n)))
    if all(len(rows) < 2 for rows in swapping):
        raise InvalidOption(
            "No two groups of one size and block can swap places. Give larger blocks in within, or none."
        )
    return _shuffled(n, swapping, np.random.default_rng(random_state), permutations)


def _codes(name: str, labels, n: int, default: np.ndarray) -> np.ndarray:
    if labels is None:
        return default
    return check_shape(name, pd.factorize(np.asarray(labels), use_na_sentinel=False)[0], (n,))


def strata(block: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """Rows (G, size) of the groups that may swap, stratum by stratum."""
    order = np.lexsort((block, group))  # members of a group together, by block
    alike: dict[tuple, list[np.ndarray]] = {}
    for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        alike.setdefault(tuple(block[rows]), []).append(rows)
    return [np.stack(rows) for rows in alike.values()]


def _shuffled(n: int, strata: list[np.ndarray], rng: np.random.Generator, times: int) -> Iterator[np.ndarray]:
    for _ in range(times):
        order = np.arange(n)
        for rows in strata:
            order[rows] = rng.permutation(rows, axis=0)
        yield order
