"""One t statistic an edge, all edges at once, and again for any order of the subjects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from graphfuse._check import check_finite, check_shape
from graphfuse.errors import InvalidOption

NOTHING = 1e-10  # of an edge's size: less is left of it by the covariates when it is a sum of them, and rounding
PERFECT = 1e-12  # share of an edge's variance that always counts as noise, so that no t is infinite


@dataclass(frozen=True, eq=False)
class EdgeModel:
    """The linear model ``value = a + b x + covariates c + noise`` of every edge, ready for many permutations.

    Made by `edge_model`. With everything that the intercept and the covariates explain taken out, each edge scaled to
    length 1 and an orthonormal design, one order of the subjects is one matrix product.

    Parameters
    ----------
    design : array (N, 1 + q)
        x without its part in the covariates, then an orthonormal basis of the centred covariates.
    residuals : array (N, E)
        The edges without their part in the covariates, each of length 1; 0 where nothing is left.
    freedom : int
        Degrees of freedom, N - 2 - q.
    """

    design: np.ndarray
    residuals: np.ndarray
    freedom: int

    def t(self, orders: np.ndarray | None = None) -> np.ndarray:
        """t statistics of b, (m, E), where the residuals go to other subjects; None = the true order, m = 1.

        ``t = b / se(b)`` of the whole model fitted anew to ``covariates c + permuted residuals``, the scheme of
        Freedman and Lane, in which the covariates keep their relation to x and to the edges.

        Parameters
        ----------
        orders : array (m, N) int or None
            Orders of the subjects; each has its inverse among the orders that are equally likely.
        """
        orders = np.arange(len(self.design))[None] if orders is None else orders
        design = self.design[orders].transpose(0, 2, 1)  # (m, 1 + q, N)
        part = (design.reshape(-1, design.shape[2]) @ self.residuals).reshape(*design.shape[:2], -1)  # (m, 1 + q, E)
        noise = (1 - np.square(part).sum(1)).clip(PERFECT)
        return part[:, 0] / np.sqrt(noise / self.freedom)


def edge_model(values: np.ndarray, x, covariates=None) -> EdgeModel:
    """Prepare the t statistics of every edge.

    Parameters
    ----------
    values : array (N, E)
        One column an edge.
    x : sequence (N,)
        What is tested: numbers, whose trend is tested, or the labels of two groups (the second in sorted order minus
        the first). Codes 0, 1, 2 are numbers.
    covariates : DataFrame or array (N, q), or None
        What is held constant, such as site, age, sex and motion; text columns of a DataFrame become indicators.

    Raises
    ------
    InvalidOption
        More than two groups, an x that does not vary beyond the covariates, or too few subjects.
    NonFinite, ShapeMismatch

    References
    ----------
    Freedman and Lane (1983), A nonstochastic interpretation of reported significance levels, J Bus Econ Stat 1;
    Winkler et al. (2014), Permutation inference for the general linear model, NeuroImage 92.
    """
    values = check_finite("values", check_shape("values", np.asarray(values, dtype=np.float64), (None, None)))
    basis = _basis(covariates, len(values))  # (N, q)
    x = _without(basis, _tested(x, len(values))[:, None])
    freedom = len(values) - 2 - basis.shape[1]
    if freedom < 1:
        raise InvalidOption(f"{len(values)} subjects are too few for {basis.shape[1]} covariates; leave some out.")
    if not x.any():
        raise InvalidOption("x must vary beyond what the covariates explain; it does not. Leave a covariate out.")
    return EdgeModel(np.concatenate([x, basis], axis=1), _without(basis, values), freedom)


def edge_t(values: np.ndarray, x, covariates=None) -> np.ndarray:
    """t statistic (E,) of x in the linear model of every edge; arguments and errors are those of `edge_model`.

    Without covariates and with two groups it is Student's t of two samples with equal variances.
    """
    return edge_model(values, x, covariates).t()[0]


def _tested(x, n: int) -> np.ndarray:
    """x as numbers (N,); the labels of two groups become 0 and 1."""
    x = check_shape("x", np.asarray(x), (n,))
    if x.dtype.kind in "iuf":
        return check_finite("x", x.astype(np.float64))
    labels, codes = np.unique(x.astype(str), return_inverse=True)
    if len(labels) != 2:
        raise InvalidOption(f"x must be numbers or the labels of two groups; got {len(labels)}. Compare two at a time.")
    return codes.astype(np.float64)


def _basis(covariates, n: int) -> np.ndarray:
    """Orthonormal basis (N, q) of the centred covariates."""
    if covariates is None:
        return np.zeros((n, 0))
    if isinstance(covariates, pd.DataFrame):
        if covariates.isna().any(axis=None):
            raise InvalidOption("covariates must not have gaps; fill them in, or leave these subjects out.")
        covariates = pd.get_dummies(covariates, dtype=float)
    table = check_shape("covariates", np.asarray(covariates, dtype=np.float64), (n, None))
    table = _without(np.zeros((n, 0)), check_finite("covariates", table))
    u, size, _ = np.linalg.svd(table, full_matrices=False)
    return u[:, size > NOTHING]


def _without(basis: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Centre columns (N, E), take their part in the basis out, scale them to length 1; 0 where nothing is left."""
    size = np.abs(columns).max(0, initial=0)
    columns = columns / np.where(size > 0, size, 1)
    rest = columns - columns.mean(0)
    rest = rest - basis @ (basis.T @ rest)
    length = np.linalg.norm(rest, axis=0)
    left = length > NOTHING * np.sqrt(len(rest))
    return np.where(left, rest / np.where(left, length, 1), 0)
