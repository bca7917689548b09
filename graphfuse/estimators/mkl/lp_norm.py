"""lp-norm multiple kernel learning: weights between those of one best kernel (p = 1) and equal ones (p = infinity)."""

from __future__ import annotations

import warnings

import numpy as np

from graphfuse._check import check_range
from graphfuse.errors import GraphFuseWarning
from graphfuse.estimators.mkl.problem import Problem, equal_weights, on_simplex
from graphfuse.estimators.mkl.support_vectors import quadratic_forms, solve_dual


def lp_weights(problem: Problem, p: float = 2.0, tolerance: float = 1e-4, steps: int = 200) -> np.ndarray:
    """Minimise the machine's optimum over ``|eta|_p <= 1`` by turns, and return ``eta / sum eta``.

    With the machine fixed, ``eta_m ~ |w_m|^(2 / (p + 1))`` where ``|w_m|^2 = eta_m^2 q_m``.

    Parameters
    ----------
    problem : Problem
    p : float
        Above 1.
    tolerance : float
        Stop when no weight moves by more.
    steps : int
        At most; `GraphFuseWarning` says so where they are not enough.

    References
    ----------
    Kloft et al. 2011, lp-norm multiple kernel learning, JMLR 12:953-997
    """
    check_range("p", p, 1, open_low=True)
    weights = _unit(equal_weights(problem), p)
    for _ in range(steps):
        dual = solve_dual(np.tensordot(weights, problem.kernels, 1), problem.signs, problem.C)
        squares = weights**2 * quadratic_forms(problem.kernels, dual.signed).clip(0)
        before, weights = weights, _unit(on_simplex(squares ** (1 / (p + 1))), p)
        if np.abs(weights - before).max() <= tolerance:
            return on_simplex(weights)
    warnings.warn(f"lp-norm weights still move after {steps} steps; allow more.", GraphFuseWarning, stacklevel=2)
    return on_simplex(weights)


def _unit(weights: np.ndarray, p: float) -> np.ndarray:
    """Weights (K,) of p-norm 1."""
    return weights / (weights**p).sum() ** (1 / p)
