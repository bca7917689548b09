"""Centred kernel alignment: how much a kernel looks like the kernel of the labels."""

from __future__ import annotations

import numpy as np

from graphfuse.estimators.mkl.problem import Problem, on_simplex


def alignment_weights(problem: Problem) -> np.ndarray:
    """``eta_m ~ max(0, A_m)``, the alignment of each kernel among the people who have it; equal where none is above 0.

    References
    ----------
    Cortes, Mohri & Rostamizadeh 2012, Algorithms for learning kernels based on centered alignment, JMLR 13:795-828
    """
    parts = zip(problem.kernels, problem.has, strict=True)
    return on_simplex(np.array([max(0.0, alignment(K[np.ix_(h, h)], problem.signs[h])) for K, h in parts]))


def alignment(kernel: np.ndarray, signs: np.ndarray) -> float:
    """``A = <H K H, y y^T>_F / (||H K H||_F ||H y y^T H||_F)``, H the centring matrix; 0 where either is constant.

    Parameters
    ----------
    kernel : array (N, N)
        Symmetric.
    signs : array (N,)
        Labels as numbers.
    """
    if len(signs) == 0:
        return 0.0
    centred = kernel - kernel.mean(0) - kernel.mean(1)[:, None] + kernel.mean()
    y = signs - signs.mean()
    size = np.linalg.norm(centred) * (y @ y)
    return float(y @ centred @ y / size) if size > 0 else 0.0
