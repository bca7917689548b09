"""The margin between two classes: the nearest points of their hulls under a kernel."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve

from graphfuse._check import check_range
from graphfuse.estimators.mkl.support_vectors import solve_dual

ROUNDING = 1e-10  # of a class's gradient: what double precision cannot tell from optimal


def margin_distributions(kernel: np.ndarray, signs: np.ndarray, lam: float) -> np.ndarray:
    """Minimise ``(1 - lam) (y g)^T K (y g) + lam |g|^2`` over g (N,) >= 0 that sum to 1 in each class.

    Up to its scale this is the dual of a machine with a hard margin on ``(1 - lam) K + lam I``; its bound
    ``C = 2 N / lam`` is one that no dual reaches. libsvm finds that in single precision, `exchanged` ends it in double.

    Parameters
    ----------
    kernel : array (N, N)
        Positive semi-definite.
    signs : array (N,)
        -1 and 1.
    lam : float
        In (0, 1].

    Raises
    ------
    InvalidOption

    References
    ----------
    Bennett & Bredensteiner 2000, Duality and geometry in SVM classifiers, ICML 57-64
    """
    check_range("lam", lam, 0, 1, open_low=True)
    regular = (1 - lam) * kernel + lam * np.eye(len(kernel))
    duals = np.abs(solve_dual(regular, signs, C=2 * len(kernel) / lam).signed)
    shares = duals / np.where(signs > 0, duals[signs > 0].sum(), duals[signs < 0].sum())
    return exchanged(regular * np.outer(signs, signs), np.stack([signs > 0, signs < 0], 1).astype(float), shares)


def exchanged(form: np.ndarray, classes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Minimise ``g^T Q g`` over g >= 0 with ``E^T g = 1`` by an active set: people leave at 0 or enter, one a turn.

    Parameters
    ----------
    form : array (N, N)
        Q, positive definite.
    classes : array (N, 2)
        E, who is in which class.
    shares : array (N,)
        Where to start: few turns from a good start.

    References
    ----------
    Lawson & Hanson 1974, Solving least squares problems, Prentice-Hall (chapter 23)
    """
    shares, free = shares.copy(), shares > 0
    for _ in range(10 * len(shares)):
        aim, level = _stationary(form[np.ix_(free, free)], classes[free])
        if (aim < 0).any():
            _move_until_one_leaves(shares, free, aim)
            continue
        shares[free] = aim
        slack = np.where(free, 0, form @ shares - classes @ level)
        if slack.min() >= -ROUNDING * level.max():
            break
        free[slack.argmin()] = True
    return shares


def _stationary(form: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """g (n,) with ``Q g = E level`` and ``E^T g = 1``, and the level (2,) of the gradient in each class."""
    inverse = solve(form, classes, assume_a="pos")
    level = np.linalg.solve(classes.T @ inverse, np.ones(2))
    return inverse @ level, level


def _move_until_one_leaves(shares: np.ndarray, free: np.ndarray, aim: np.ndarray) -> None:
    """Go towards the aim, in place, until the first share is 0, and let that person go."""
    people = np.flatnonzero(free)
    here, falling = shares[people], aim < 0
    ratios = np.where(falling, here / np.where(falling, here - aim, 1), np.inf)
    first = ratios.argmin()
    shares[people] = (here + ratios[first] * (aim - here)).clip(0)
    shares[people[first]], free[people[first]] = 0, False
