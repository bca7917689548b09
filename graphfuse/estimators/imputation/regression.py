"""Cross-modal regression: a missing modality predicted from those that a person has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption
from graphfuse.estimators.imputation.contract import Blocks, Imputer

PENALTIES = tuple(10.0**k for k in range(-3, 5))


def ridge_map(X: np.ndarray, Y: np.ndarray, penalties: Sequence[float] = PENALTIES) -> dict:
    """Ridge regression of many targets, in the dual, the penalty chosen by leave-one-out error.

    ``Y ~ y_mean + (X - x_mean) X_c^T (X_c X_c^T + a I)^-1 Y_c``. The error of a left-out row is
    ``(Y - Y_fit)_i / (1 - H_ii)``, H the hat matrix with the intercept, without a refit (Allen's PRESS).

    Parameters
    ----------
    X : array (n, P)
    Y : array (n, Q)
    penalties : sequence of float
        Relative to the mean squared length of a centred row of X.

    Returns
    -------
    dict
        x_mean (P,), axes (P, r), loadings (r, Q), y_mean (Q,), penalty: a row x gives ``y_mean + (x - x_mean) axes
        loadings``. The axes are principal axes of X, nobody's row.

    Raises
    ------
    InvalidOption
        Fewer than three rows, or a penalty that is not positive.
    ShapeMismatch

    References
    ----------
    Allen (1974). The relationship between variable selection and data augmentation. Technometrics 16:125-127.
    """
    check_range("the rows of X", len(X), 3)
    check_range("the smallest penalty", min(penalties, default=0.0), 0, open_low=True)
    check_shape("Y", Y, (len(X), None))
    x_mean, y_mean = X.mean(0), Y.mean(0)
    x, y = X - x_mean, Y - y_mean
    unit = float(np.square(x).sum(1).mean()) or 1.0  # all rows equal: any penalty leaves the intercept only
    values, vectors = np.linalg.eigh(x @ x.T)
    kept = values > 1e-10 * max(values[-1], 1e-300)
    values, vectors = values[kept], vectors[:, kept]  # (r,), (n, r)
    projected = vectors.T @ y  # (r, Q)
    errors = [_left_out_error(vectors, values / (values + a * unit), projected, y) for a in penalties]
    penalty = unit * penalties[int(np.argmin(errors))]
    axes, loadings = x.T @ (vectors / np.sqrt(values)), (np.sqrt(values) / (values + penalty))[:, None] * projected
    return {"x_mean": x_mean, "axes": axes, "loadings": loadings, "y_mean": y_mean, "penalty": penalty}


def _left_out_error(vectors: np.ndarray, shrink: np.ndarray, projected: np.ndarray, y: np.ndarray) -> float:
    """Mean squared error of every row when it is left out."""
    residual = y - (vectors * shrink) @ projected  # (n, Q)
    slack = 1 - 1 / len(y) - np.square(vectors) @ shrink  # 1 - H_ii
    return float(np.square(residual / slack[:, None]).mean())


class RidgeImputation(Imputer):
    """Ridge regression of a modality on the others, one for each set of others that a person may have.

    Modalities side by side are scaled to the same mean squared length first. A person's modality is predicted from the
    largest set of her modalities that at least `fewest` training people have together with it (the one with more such
    people, if two are as large); without any she gets the training mean. With M modalities there are up to
    ``M (2^(M-1) - 1)`` regressions.

    Parameters
    ----------
    penalties : sequence of float
        See `ridge_map`.
    fewest : int
        Training people that a regression needs, 3 at least; 10 is our choice.

    Attributes
    ----------
    maps_ : dict of str to list of (sources, ridge_map)
        Principal axes and loadings; nobody's vectors.
    lengths_ : dict of float
        Mean squared length of each modality.
    """

    def __init__(self, penalties: Sequence[float] = PENALTIES, fewest: int = 10):
        self.penalties = penalties
        self.fewest = fewest

    def _fit(self, blocks: Blocks, present: Blocks) -> None:
        check_range("fewest", self.fewest, 3)
        if len(blocks) > 8:
            raise InvalidOption(f"RidgeImputation takes 8 modalities at most; got {len(blocks)}. Name fewer signals.")
        squares = {name: np.square(block[present[name]]).sum(1).mean() for name, block in blocks.items()}
        self.lengths_ = {name: float(square) or 1.0 for name, square in squares.items()}
        self.maps_ = {name: self._maps_onto(name, blocks, present) for name in blocks}

    def _maps_onto(self, name: str, blocks: Blocks, present: Blocks) -> list[tuple]:
        """(sources, map) for every set of other modalities with people enough, the best set first."""
        paired = {sources: present[name] & _has_all(sources, present) for sources in _subsets(set(blocks) - {name})}
        able = [sources for sources, rows in paired.items() if rows.sum() >= self.fewest]
        able.sort(key=lambda sources: (-len(sources), -paired[sources].sum(), sources))
        return [
            (sources, ridge_map(self._joined(sources, blocks, rows), blocks[name][rows], self.penalties))
            for sources in able
            for rows in [paired[sources]]
        ]

    def _guess(self, name: str, blocks: Blocks, present: Blocks) -> np.ndarray:
        guess, waiting = np.zeros_like(blocks[name]), np.ones(len(blocks[name]), dtype=bool)
        for sources, fitted in self.maps_[name]:
            rows = waiting & _has_all(sources, present)
            x = self._joined(sources, blocks, rows) - fitted["x_mean"]
            guess[rows] = fitted["y_mean"] + x @ fitted["axes"] @ fitted["loadings"]
            waiting &= ~rows
        return guess

    def _joined(self, sources: Sequence[str], blocks: Blocks, rows: np.ndarray) -> np.ndarray:
        """The sources side by side, (n, sum P), each of mean squared length 1."""
        return np.concatenate([blocks[name][rows] / np.sqrt(self.lengths_[name]) for name in sources], axis=1)


def _subsets(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Every non-empty set of the names."""
    names = sorted(names)
    return [sources for size in range(1, len(names) + 1) for sources in combinations(names, size)]


def _has_all(sources: Sequence[str], present: Blocks) -> np.ndarray:
    return np.all([present[name] for name in sources], axis=0)
