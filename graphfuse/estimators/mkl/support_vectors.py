"""The dual of a support vector machine on a ready kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.svm import SVC

TOLERANCE = 1e-5  # of the optimality conditions; scikit-learn's own 1e-3 is too coarse for a duality gap


class Dual(NamedTuple):
    """The solution of ``max_a sum a - 1/2 (a y)^T K (a y)``, ``0 <= a <= C``, ``y^T a = 0``.

    Parameters
    ----------
    signed : array (N,)
        ``a * y``; scores are ``K @ signed + intercept``.
    intercept : float
    """

    signed: np.ndarray
    intercept: float


def solve_dual(kernel: np.ndarray, signs: np.ndarray, C: float) -> Dual:
    """Train a machine on a kernel (N, N) and signs (N,) of -1 and 1 with penalty `C`."""
    machine = SVC(kernel="precomputed", C=C, tol=TOLERANCE).fit(kernel, signs)
    signed = np.zeros(len(kernel))
    signed[machine.support_] = machine.dual_coef_[0]
    return Dual(signed, float(machine.intercept_[0]))


def quadratic_forms(kernels: np.ndarray, signed: np.ndarray) -> np.ndarray:
    """``q_m = (a y)^T K_m (a y)`` of each kernel (K, N, N), (K,)."""
    return (kernels @ signed) @ signed
