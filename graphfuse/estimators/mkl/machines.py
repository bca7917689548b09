"""Support vector machines of each class against the rest, on the weighted mean of several kernels."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import NamedTuple

import numpy as np

from graphfuse._check import check_option
from graphfuse.errors import InvalidOption
from graphfuse.estimators.mkl.alignment import alignment_weights
from graphfuse.estimators.mkl.bank import Kernels
from graphfuse.estimators.mkl.combine import clipped, negative_directions, weighted_mean
from graphfuse.estimators.mkl.easy_mkl import easy_weights
from graphfuse.estimators.mkl.lp_norm import lp_weights
from graphfuse.estimators.mkl.problem import Problem, equal_weights
from graphfuse.estimators.mkl.simple_mkl import simple_weights
from graphfuse.estimators.mkl.support_vectors import solve_dual

# combination -> weights (K,) on the simplex of (Problem, **options)
WEIGHTS = {
    "average": equal_weights,
    "cka": alignment_weights,
    "easy": easy_weights,
    "lp": lp_weights,
    "simple": simple_weights,
}


class Machines(NamedTuple):
    """A machine for each class.

    Parameters
    ----------
    weights : array (C, K)
        Of the kernels.
    duals : array (C, N)
        Of the training people; the repair of the kernel is in them already.
    intercepts : array (C,)
    """

    weights: np.ndarray
    duals: np.ndarray
    intercepts: np.ndarray


def fit_machines(
    kernels: Kernels, codes: np.ndarray, combination: str = "average", C: float = 1.0, options: dict | None = None
) -> Machines:
    """Weigh the kernels and train a machine on them, one class against the rest; of two classes the second mirrors.

    Parameters
    ----------
    kernels : Kernels
        Of the training people, (K, N, N).
    codes : int array (N,)
        Every class of 0 ... C - 1 has somebody.
    combination : str
        A key of `WEIGHTS`.
    C : float
        Penalty.
    options : dict or None
        Of the combination, such as ``{"lam": 0.2}`` for ``easy``.

    Raises
    ------
    InvalidOption
    """
    weigh = _rule(combination, options or {})
    n_classes = int(codes.max()) + 1
    machines = []
    for c in range(n_classes if n_classes > 2 else 1):
        signs = np.where(codes == c, 1.0, -1.0)
        weights = weigh(Problem(kernels.rows, kernels.has, signs, C), **(options or {}))
        machines.append((weights, *_machine(kernels, weights, signs, C)))
    weights, duals, intercepts = (np.stack(part) for part in zip(*machines, strict=True))
    if n_classes > 2:
        return Machines(weights, duals, intercepts)
    return Machines(np.repeat(weights, 2, 0), np.concatenate([duals, -duals]), np.append(intercepts, -intercepts))


def _rule(combination: str, options: dict) -> Callable[..., np.ndarray]:
    """The function of a combination, once it is clear that it takes these options."""
    weigh = WEIGHTS[check_option("combination", combination, WEIGHTS)]
    taken = list(signature(weigh).parameters)[1:]
    for name in options:
        if name not in taken:
            raise InvalidOption(f"combination={combination!r} takes {taken or 'no options'}; got {name!r} in options.")
    return weigh


def _machine(kernels: Kernels, weights: np.ndarray, signs: np.ndarray, C: float) -> tuple[np.ndarray, float]:
    """Duals (N,) and intercept, for rows as `weighted_mean` makes them: clipping a row is clipping the duals."""
    kernel = weighted_mean(kernels.rows, kernels.has, kernels.has, weights)
    if kernels.has.all():  # a sum of kernels is one; only gaps need a repair
        return solve_dual(kernel, signs, C)
    negative = negative_directions(kernel)
    signed, intercept = solve_dual(clipped(kernel, negative), signs, C)
    return clipped(signed[None], negative)[0], intercept


def score(machines: Machines, kernels: Kernels, has_training: np.ndarray) -> np.ndarray:
    """Scores (n, C) of people by their kernels (K, n, N) towards the training people, of whom `has_training` (K, N)."""
    n_classes, scores = len(machines.duals), []
    for c in range(n_classes if n_classes > 2 else 1):
        rows = weighted_mean(kernels.rows, kernels.has, has_training, machines.weights[c])
        scores.append(rows @ machines.duals[c] + machines.intercepts[c])
    return np.stack(scores if n_classes > 2 else [scores[0], -scores[0]], axis=1)
