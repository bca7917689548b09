"""Tangent space of covariance matrices: means on the manifold, and deviations from them."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from graphfuse._check import check_option, check_range, check_shape
from graphfuse.connectome.eigen import eigh, from_eigen, is_positive, log_eigen, symmetric_function
from graphfuse.connectome.shares import share_out
from graphfuse.errors import NonFinite, NotFitted, NotPositiveDefinite, ShapeMismatch

CHUNK_NUMBERS = 2**18  # entries of the matrices that a thread works on at once


def geometric_mean(
    covariances: Tensor | np.ndarray, tol: float = 1e-7, max_iter: int = 30, *, dtype=torch.float64
) -> Tensor:
    """Affine-invariant mean: the G with ``sum_k log(G^-1/2 C_k G^-1/2) = 0``, by gradient descent along geodesics.

    The steps are nilearn's (``ConnectivityMeasure(kind="tangent")``): start at the arithmetic mean, halve the step when
    the gradient grows, stop when its norm over R^2 falls under `tol`.

    Parameters
    ----------
    covariances : array (B, R, R)
        Symmetric positive definite.
    tol : float
        Largest norm of the gradient, over R^2, that counts as converged.
    max_iter : int
        Most steps. A `sklearn.exceptions.ConvergenceWarning` says when they did not suffice.
    dtype : torch.dtype
        float64, or float32: half the time, and the fifth digit gone.

    Returns
    -------
    Tensor (R, R)

    Raises
    ------
    NotPositiveDefinite, NonFinite, ShapeMismatch, InvalidOption

    References
    ----------
    Fletcher and Joshi (2007), Riemannian geometry for the statistical analysis of diffusion tensor data, algorithm 3.
    """
    check_range("tol", tol, 0, open_low=True)
    check_range("max_iter", max_iter, 1)
    covariances = _as_covariances(covariances, dtype)
    mean, step, smallest = covariances.mean(0), 1.0, np.inf
    for _ in range(max_iter):
        root, inverse_root = _roots(mean)
        gradient = _mean_log(covariances, inverse_root)
        norm = float(gradient.norm())
        mean = root @ symmetric_function(torch.exp, step * gradient[None])[0] @ root
        if norm > smallest:
            step, norm = step / 2, smallest
        smallest = norm
        if norm / mean.numel() < tol:
            return (mean + mean.T) / 2
    warnings.warn(f"geometric_mean did not converge in {max_iter} steps; raise max_iter.", ConvergenceWarning, 2)
    return (mean + mean.T) / 2


def log_euclidean_mean(covariances: Tensor | np.ndarray, *, dtype=torch.float64) -> Tensor:
    """Log-Euclidean mean: ``exp(mean_k log C_k)``, in one pass.

    Parameters
    ----------
    covariances : array (B, R, R)
        Symmetric positive definite.
    dtype : torch.dtype
        See `geometric_mean`.

    Returns
    -------
    Tensor (R, R)

    Raises
    ------
    NotPositiveDefinite, NonFinite, ShapeMismatch

    References
    ----------
    Arsigny et al. (2006), Log-Euclidean metrics for fast and simple calculus on diffusion tensors, MRM 56.
    """
    covariances = _as_covariances(covariances, dtype)
    return symmetric_function(torch.exp, _mean_log(covariances)[None])[0]


def tangent_map(covariances: Tensor | np.ndarray, reference: Tensor | np.ndarray, *, dtype=torch.float64) -> Tensor:
    """Deviation of each covariance from a reference: ``log(W^-1/2 C W^-1/2)``.

    Parameters
    ----------
    covariances : array (B, R, R)
        Symmetric positive definite. Each is mapped alone.
    reference : array (R, R)
        Symmetric positive definite: W, a mean of training subjects.
    dtype : torch.dtype
        See `geometric_mean`.

    Returns
    -------
    Tensor (B, R, R)
        Symmetric; 0 where C = W.

    Raises
    ------
    NotPositiveDefinite, NonFinite, ShapeMismatch

    References
    ----------
    Varoquaux et al. (2010), Detection of brain functional-connectivity difference in post-stroke patients, MICCAI.
    """
    covariances = _as_covariances(covariances, dtype)
    reference = torch.as_tensor(reference, dtype=dtype, device=covariances.device)
    check_shape("reference", reference, tuple(covariances.shape[1:]))
    return _whiten_and_log(covariances, _roots(_as_covariances(reference[None], dtype)[0])[1])


REFERENCES = {"geometric": geometric_mean, "log-euclidean": log_euclidean_mean}


class TangentSpace(TransformerMixin, BaseEstimator):
    """Deviations of covariances from the mean of the training subjects.

    Fit it on training subjects only: the reference is learned, so a test subject in it is a leak. Covariances are each
    subject's own and can be computed once: ``covariance(series, "ledoit-wolf", usable=...)``.
    With ``reference="geometric"`` it equals nilearn's ``ConnectivityMeasure(kind="tangent")``.

    Parameters
    ----------
    reference : str
        ``"geometric"`` or ``"log-euclidean"``, a key of `REFERENCES`.

    Attributes
    ----------
    reference_ : Tensor (R, R) float64
        Mean of the training covariances.
    """

    uses_y, scope = False, "training"

    def __init__(self, reference: str = "geometric"):
        self.reference = reference

    def fit(self, covariances: Tensor | np.ndarray, y=None) -> TangentSpace:
        """Learn the reference from the training subjects' covariances (B, R, R)."""
        del y
        self.reference_ = REFERENCES[check_option("reference", self.reference, REFERENCES)](covariances)
        return self

    def transform(self, covariances: Tensor | np.ndarray) -> Tensor:
        """Map covariances (B, R, R), each alone, to (B, R, R) float64 deviations from the reference."""
        if not hasattr(self, "reference_"):
            raise NotFitted("TangentSpace has no reference yet; call fit on the training covariances first.")
        return tangent_map(covariances, self.reference_)


def _as_covariances(covariances: Tensor | np.ndarray, dtype: torch.dtype) -> Tensor:
    covariances = torch.as_tensor(covariances, dtype=dtype)
    check_shape("covariances", covariances, (None, None, None))
    if not len(covariances) or covariances.shape[1] != covariances.shape[2]:
        raise ShapeMismatch(f"covariances must have shape (B, R, R), B > 0; got {tuple(covariances.shape)}.")
    if not covariances.isfinite().all():
        raise NonFinite("covariances must be finite; mask unusable regions when they are estimated.")
    return covariances


def _roots(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """``W^1/2`` and ``W^-1/2``."""
    values, vectors = eigh(matrix[None])
    if not is_positive(values):
        raise NotPositiveDefinite("The reference must be positive definite. Estimate with estimator='ledoit-wolf'.")
    return from_eigen(values.sqrt(), vectors)[0], from_eigen(values.rsqrt(), vectors)[0]


def _mean_log(covariances: Tensor, whitening: Tensor | None = None) -> Tensor:
    def work(first: int) -> Tensor:
        values, vectors = _whitened_log(covariances, first, whitening)
        # the sum of V diag(w) V^T over a chunk as one product: no logarithm is written
        return torch.addbmm(torch.zeros_like(covariances[0]), vectors * values[:, None], vectors.mT)

    return sum(_over_chunks(work, covariances)) / len(covariances)


def _whiten_and_log(covariances: Tensor, whitening: Tensor) -> Tensor:
    result = torch.empty_like(covariances)

    def work(first: int) -> None:
        logs = from_eigen(*_whitened_log(covariances, first, whitening))
        torch.add(logs, logs.mT, out=result[first : first + len(logs)]).div_(2)

    _over_chunks(work, covariances)
    return result


def _whitened_log(covariances: Tensor, first: int, whitening: Tensor | None) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of the logarithms of the chunk that begins at `first`."""
    chunk = covariances[first : first + _chunk_length(covariances)]
    chunk = chunk if whitening is None else whitening @ chunk @ whitening
    return log_eigen(*torch.linalg.eigh(chunk), first)


def _over_chunks(work: Callable[[int], object], covariances: Tensor) -> list:
    starts = range(0, len(covariances), _chunk_length(covariances))
    return share_out(work, starts, device=covariances.device, width=covariances.shape[-1])


def _chunk_length(covariances: Tensor) -> int:
    return max(1, CHUNK_NUMBERS // covariances[0].numel())
