"""One kernel of several: the weighted mean over those that two people share, and its repair to a kernel again."""

from __future__ import annotations

import numpy as np


def weighted_mean(rows: np.ndarray, has: np.ndarray, has_training: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``k_ij = sum_m w_m h_im h_jm K_m,ij / sum_m w_m h_im h_jm``: the mean over the kernels that both people have.

    0, the mean of centred kernels, where two people share no kernel of a weight above 0.

    Parameters
    ----------
    rows : array (K, n, N)
        What stands where one of the two lacks a modality is not read.
    has, has_training : bool array (K, n) and (K, N)
        Who has what a kernel reads.
    weights : array (K,)
        On the simplex.

    Returns
    -------
    array (n, N)
    """
    total, share = np.zeros(rows.shape[1:]), np.zeros(rows.shape[1:])
    for k in np.flatnonzero(weights):
        both = has[k][:, None] & has_training[k]
        total += weights[k] * np.where(both, rows[k], 0)
        share += weights[k] * both
    return np.divide(total, share, out=np.zeros_like(total), where=share > 0)


def negative_directions(kernel: np.ndarray) -> np.ndarray:
    """Orthonormal eigenvectors (N, q) of a symmetric kernel whose eigenvalues are below 0 by more than rounding.

    A mean over different kernels for different pairs need not be positive semi-definite. Clipping its negative
    eigenvalues is the projection ``P K`` with ``P = I - V V^T``; a new person's row becomes ``k P``, which is what a
    training person's row becomes, and depends on nobody else who is new.

    References
    ----------
    Chen et al. 2009, Similarity-based classification: concepts and algorithms, JMLR 10:747-776 (section 4.2)
    """
    values, vectors = np.linalg.eigh(kernel)
    return vectors[:, values < -len(values) * np.finfo(float).eps * np.abs(values).max(initial=0)]


def clipped(rows: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """``k (I - V V^T)`` of rows (n, N): they lose what lies along the `negative_directions` (N, q)."""
    return rows - (rows @ negative) @ negative.T
