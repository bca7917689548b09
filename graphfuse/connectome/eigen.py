"""Functions of symmetric matrices through their eigenvalues, batched over CPU threads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphfuse.connectome.shares import share_out
from graphfuse.errors import NotPositiveDefinite

MATRICES_A_THREAD = 8  # at a time


def eigh(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (B, R), ascending, and eigenvectors (B, R, R) of symmetric matrices.

    Same values as ``torch.linalg.eigh``, which on a CPU walks through a batch alone: here each thread takes a share.

    Parameters
    ----------
    matrices : Tensor (B, R, R)
        Symmetric, finite.
    """
    pieces = matrices.split(MATRICES_A_THREAD)
    values, vectors = zip(
        *share_out(torch.linalg.eigh, pieces, device=matrices.device, width=matrices.shape[-1]), strict=True
    )
    return torch.cat(values), torch.cat(vectors)


def from_eigen(values: Tensor, vectors: Tensor) -> Tensor:
    """Rebuild ``V diag(w) V^T``, (..., R, R), from w (..., R) and V (..., R, R)."""
    return (vectors * values[..., None, :]) @ vectors.mT


def symmetric_function(function: Callable[[Tensor], Tensor], matrices: Tensor) -> Tensor:
    """Apply a scalar function to the eigenvalues: ``V f(w) V^T``.

    Parameters
    ----------
    function : callable
        Maps eigenvalues (B, R) to values (B, R), for example ``torch.exp``.
    matrices : Tensor (B, R, R)
        Symmetric, finite.
    """
    values, vectors = eigh(matrices)
    return from_eigen(function(values), vectors)


def is_positive(values: Tensor) -> Tensor:
    """Whether ascending eigenvalues (B, R) are all positive to within rounding, (B,) bool."""
    return values[:, 0] > (values[:, -1] * values.shape[1] * torch.finfo(values.dtype).eps).clamp_min(0)


def spd_log(matrices: Tensor, first: int = 0) -> Tensor:
    """Logarithm of symmetric positive definite matrices: ``V log(w) V^T``.

    Parameters
    ----------
    matrices : Tensor (B, R, R)
        Symmetric positive definite.
    first : int
        Position of ``matrices[0]`` in the caller's batch, for the message.

    Raises
    ------
    NotPositiveDefinite
        The smallest eigenvalue is not positive to within rounding.
    """
    return from_eigen(*log_eigen(*eigh(matrices), first))


def log_eigen(values: Tensor, vectors: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
    """Eigenvalues (B, R) and eigenvectors of the logarithm, from those of the matrices; errors are `spd_log`'s."""
    singular = ~is_positive(values)
    if singular.any():
        row = int(singular.nonzero()[0])
        raise NotPositiveDefinite(
            f"covariances[{first + row}] must be positive definite; its smallest eigenvalue (relative to the "
            f"reference) is {float(values[row, 0]):.3g}. Estimate it with estimator='ledoit-wolf'."
        )
    return values.log(), vectors
