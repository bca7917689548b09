"""SimpleMKL: weights on the simplex that minimise the optimum of the support vector machine."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import brentq

from graphfuse.errors import GraphFuseWarning
from graphfuse.estimators.mkl.problem import Problem, equal_weights
from graphfuse.estimators.mkl.support_vectors import Dual, quadratic_forms, solve_dual


def simple_weights(problem: Problem, tolerance: float = 1e-3, steps: int = 200) -> np.ndarray:
    """``min_eta J(eta)`` over the simplex, J the optimum of the machine on ``sum_m eta_m K_m``, by reduced gradient.

    ``dJ / d eta_m = -1/2 q_m`` with ``q_m = (a y)^T K_m (a y)``; the step along the reduced gradient is the root of
    the directional derivative, or as far as the simplex goes.

    Parameters
    ----------
    problem : Problem
    tolerance : float
        Stop when `duality_gap` is at most this share of J.
    steps : int
        At most; `GraphFuseWarning` says so where they are not enough.

    References
    ----------
    Rakotomamonjy et al. 2008, SimpleMKL, JMLR 9:2491-2521
    """
    weights = equal_weights(problem)
    for _ in range(steps):
        dual, forms = _solved(problem, weights)
        if duality_gap(weights, forms) <= tolerance * objective(dual, weights, forms):
            return weights
        direction = reduced_direction(weights, -forms / 2)
        weights = _stepped(problem, weights, direction)
    warnings.warn(
        f"SimpleMKL's duality gap is above tolerance={tolerance} after {steps} steps; allow more.",
        GraphFuseWarning,
        stacklevel=2,
    )
    return weights


def objective(dual: Dual, weights: np.ndarray, forms: np.ndarray) -> float:
    """``J(eta) = sum a - 1/2 sum_m eta_m q_m`` of a machine's dual and the forms (K,) of its kernels."""
    return float(np.abs(dual.signed).sum() - weights @ forms / 2)


def duality_gap(weights: np.ndarray, forms: np.ndarray) -> float:
    """``1/2 (max_m q_m - sum_m eta_m q_m)``: J is no further than this above its minimum over the simplex."""
    return float(forms.max() - weights @ forms) / 2


def reduced_direction(weights: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Direction of descent (K,) that sums to 0 and leaves no weight of 0 falling; the largest weight balances."""
    pivot = weights.argmax()
    direction = gradient[pivot] - gradient
    direction[(weights <= 0) & (direction < 0)] = 0
    direction[pivot] -= direction.sum()
    return direction


def _solved(problem: Problem, weights: np.ndarray) -> tuple[Dual, np.ndarray]:
    """The machine on the weighted sum and the forms (K,) of its kernels."""
    dual = solve_dual(np.tensordot(weights, problem.kernels, 1), problem.signs, problem.C)
    return dual, quadratic_forms(problem.kernels, dual.signed)


def _stepped(problem: Problem, weights: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The weights at the lowest J along the direction."""
    falling = direction < 0
    furthest = float((-weights[falling] / direction[falling]).min())

    def at(step: float) -> np.ndarray:
        moved = (weights + step * direction).clip(0)
        moved[falling & (moved < 1e-12)] = 0
        return moved / moved.sum()

    def slope(step: float) -> float:
        return float(-direction @ _solved(problem, at(step))[1]) / 2

    if slope(furthest) <= 0:
        return at(furthest)
    return at(brentq(slope, 0, furthest, xtol=1e-4 * furthest, rtol=1e-4))
