"""EasyMKL: weights in proportion to what each kernel adds to the margin between the classes."""

from __future__ import annotations

import numpy as np

from graphfuse.estimators.mkl.hulls import margin_distributions
from graphfuse.estimators.mkl.problem import Problem, on_simplex
from graphfuse.estimators.mkl.support_vectors import quadratic_forms


def easy_weights(problem: Problem, lam: float = 0.1) -> np.ndarray:
    """``eta_m ~ (y g)^T K_m (y g)`` for the distributions g of `margin_distributions` on the sum of the kernels.

    Parameters
    ----------
    problem : Problem
        Its C is not used.
    lam : float
        From towards 0 (the nearest points of the two hulls) to 1 (the class means), above 0: without it, classes that
        overlap have no margin and no kernel adds to it.

    Raises
    ------
    InvalidOption

    References
    ----------
    Aiolli & Donini 2015, EasyMKL: a scalable multiple kernel learning algorithm, Neurocomputing 169:215-224
    """
    shares = margin_distributions(problem.kernels.sum(0), problem.signs, lam)
    return on_simplex(quadratic_forms(problem.kernels, problem.signs * shares).clip(0))
