"""Feature propagation: a missing modality flows in from neighbours on a graph of people."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from graphfuse._check import check_range, check_shape
from graphfuse.estimators.imputation.contract import Blocks, Imputer, entered, filled_in
from graphfuse.estimators.imputation.neighbours import People, nearest_shares


def propagate(shares: csr_array, x: np.ndarray, known: np.ndarray, iterations: int = 40) -> np.ndarray:
    """Fill in rows of x: ``x <- A x``, then the known rows are what they were; starting from zeros.

    It converges to the harmonic extension, ``x_u = (I - A_uu)^-1 A_uk x_k``, where every unknown row can be reached
    from a known one: the value of each person is the weighted mean of the neighbours'.

    Parameters
    ----------
    shares : sparse array (N, N)
        A, with non-negative rows that sum to 1 (or 0: no neighbour).
    x : array (N, P)
        Values; unknown rows are not read.
    known : bool array (N,)
    iterations : int
        40, as in the reference, whose A is symmetrically normalised; rows that sum to 1 are our choice, so that equal
        values stay what they are.

    Raises
    ------
    ShapeMismatch, InvalidOption

    References
    ----------
    Rossi et al. (2022). On the unreasonable effectiveness of feature propagation in learning on graphs with missing
    node features. LoG.
    """
    check_range("iterations", iterations, 1)
    check_shape("shares", shares, (len(x), len(x)))
    unknown = np.flatnonzero(~check_shape("known", known, (len(x),)))
    rows, x = shares[unknown], np.where(known[:, None], x, 0.0)
    for _ in range(iterations if len(unknown) else 0):
        x[unknown] = rows @ x
    return x


class FeaturePropagation(Imputer):
    """Propagation over the graph of the training people, each hearing the k nearest in the modalities that both have.

    A new person is attached alone and hears the training people, measured or filled in; nobody hears the new one. So a
    training person who is filled in again later may come out otherwise, close by. Who shares no modality with anybody
    keeps the training mean. The fitted imputer holds the vectors of its training people.

    Parameters
    ----------
    k : int
        Neighbours; 10 is our choice.
    weights : str
        ``distance``, inverse to it, or ``uniform``.
    iterations : int
        See `propagate`.

    References
    ----------
    Rossi et al. (2022), see `propagate`.
    """

    def __init__(self, k: int = 10, weights: str = "distance", iterations: int = 40):
        self.k = k
        self.weights = weights
        self.iterations = iterations

    def fit_transform(self, blocks: Blocks, present: Blocks) -> dict[str, np.ndarray]:
        """Learn from training people and fill them in, as nodes of the graph."""
        blocks, present = entered(blocks, present)
        self.fit(blocks, present)
        values = {name: self.means_[name] + full[~present[name]] for name, full in self.full_.items()}
        return {name: filled_in(block, present[name], values[name]) for name, block in blocks.items()}

    def _fit(self, blocks: Blocks, present: Blocks) -> None:
        self.people_ = People(blocks, present)
        self.lengths_ = self.people_.lengths()
        incomplete = np.flatnonzero(~np.all(list(present.values()), axis=0))  # nobody else's row of A is needed
        some = nearest_shares(
            self.people_[incomplete], self.people_, self.lengths_, self.k, self.weights, own=incomplete
        ).tocoo()
        number = len(self.people_)
        shares = csr_array((some.data, (incomplete[some.row], some.col)), shape=(number, number))
        self.full_ = {name: propagate(shares, x, present[name], self.iterations) for name, x in blocks.items()}

    def _guess(self, name: str, blocks: Blocks, present: Blocks) -> np.ndarray:
        shares = nearest_shares(People(blocks, present), self.people_, self.lengths_, self.k, self.weights)
        return shares @ self.full_[name]
