"""EasyMKL: weights in proportion to what each kernel adds to the margin between the classes."""

from __future__ import annotations

import numpy as np

from graphfuse._check import check_range
from graphfuse.estimators.mkl.problem import Problem, on_simplex
from graphfuse.estimators.mkl.support_vectors import quadratic_forms, solve_dual


def easy_weights(problem: Problem, lam: float = 0.1) -> np.ndarray:
    """``eta_m ~ (y g)^T K_m (y g)`` for the distributions g of `margin_distributions` on the sum of the kernels.

    Parameters
    ----------
    problem : Problem
        Its C is not used.
    lam : float
        From towards 0 (the nearest points of the two hulls) to 1 (the class means), above 0: without it, classes that
        overlap have no margin and no kernel adds to it.

    References
    ----------
    Aiolli & Donini 2015, EasyMKL: a scalable multiple kernel learning algorithm, Neurocomputing 169:215-224
    """
    shares = margin_distributions(problem.kernels.sum(0), problem.signs, lam)
    return on_simplex(quadratic_forms(problem.kernels, problem.signs * shares).clip(0))


def margin_distributions(kernel: np.ndarray, signs: np.ndarray, lam: float) -> np.ndarray:
    """Minimise ``(1 - lam) (y g)^T K (y g) + lam |g|^2`` over g (N,) >= 0 that sum to 1 in each class.

    The nearest points of two hulls are the dual of a machine with a hard margin, up to its scale: g is the dual on
    ``(1 - lam) K + lam I``, divided by its sum in a class. Its bound ``C`` is twice the number of people over lam,
    which no dual reaches.

    Parameters
    ----------
    kernel : array (N, N)
        Positive semi-definite.
    signs : array (N,)
        -1 and 1.
    lam : float
        In (0, 1].
    """
    check_range("lam", lam, 0, 1, open_low=True)
    regular = (1 - lam) * kernel + lam * np.eye(len(kernel))
    duals = np.abs(solve_dual(regular, signs, C=2 * len(kernel) / lam).signed)
    return duals / np.where(signs > 0, duals[signs > 0].sum(), duals[signs < 0].sum())
