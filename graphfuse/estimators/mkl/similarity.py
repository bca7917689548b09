"""How alike two people are, as a function of their rows of numbers: inner product, Gaussian, common labels."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from sklearn.metrics.pairwise import euclidean_distances


def inner(X: np.ndarray, Z: np.ndarray, width: float = 1.0) -> np.ndarray:
    """Linear kernel ``k(x, z) = x^T z``, (n, N) of rows (n, P) and (N, P); it has no width."""
    return X @ Z.T


def gaussian(X: np.ndarray, Z: np.ndarray, width: float = 1.0) -> np.ndarray:
    """Gaussian (RBF) kernel ``k(x, z) = exp(-|x - z|^2 / (2 width^2))``, (n, N) of rows (n, P) and (N, P)."""
    return np.exp(-euclidean_distances(X, Z, squared=True) / (2 * width**2))


def median_distance(X: np.ndarray) -> float:
    """Median distance between two of these people (n, P): the width of `gaussian`; 1 where all are alike."""
    distances = euclidean_distances(X)[np.triu_indices(len(X), 1)]
    return float(np.median(distances)) if len(distances) and np.median(distances) > 0 else 1.0


def common_labels(X: np.ndarray, Z: np.ndarray, width: float = 1.0) -> np.ndarray:
    """Subtree kernel ``k(x, z) = sum_l count_l(x) count_l(z)``, (n, N) of labels (n, L) and (N, L); label 0 is none."""
    vocabulary = np.unique(np.concatenate([X.ravel(), Z.ravel()]))
    return (_counts(X, vocabulary) @ _counts(Z, vocabulary).T).toarray()


def _counts(labels: np.ndarray, vocabulary: np.ndarray) -> csr_array:
    """How often each person (n, L) has each label of the vocabulary, (n, V)."""
    person, place = np.nonzero(labels)
    column = np.searchsorted(vocabulary, labels[person, place])
    return csr_array((np.ones(len(person)), (person, column)), shape=(len(labels), len(vocabulary)))


def squared_length(X: np.ndarray) -> np.ndarray:
    """``x^T x`` of each row, (n,)."""
    return np.square(X).sum(1)


def ones(X: np.ndarray) -> np.ndarray:
    """A Gaussian's similarity of each person to oneself, (n,)."""
    return np.ones(len(X))


def repeats(X: np.ndarray) -> np.ndarray:
    """``sum_l count_l(x)^2`` of each row of labels, (n,)."""
    return np.array([np.square(np.unique(row[row != 0], return_counts=True)[1]).sum() for row in X], dtype=np.float64)


def no_width(X: np.ndarray) -> float:
    """The width of a kernel that has none."""
    return 1.0
