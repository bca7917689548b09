"""Geodesics between symmetric positive definite matrices."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphfuse._check import check_option, check_shape
from graphfuse.errors import InvalidOption, NotPositiveDefinite
from graphfuse.kernels.finite import LIMIT, check_finite


def log_euclidean(first: Tensor, second: Tensor, position: Tensor) -> Tensor:
    """Return ``exp( (1 - t) log S_1 + t log S_2 )`` of SPD matrices (n, R, R) in float64 and t (n, 1, 1)."""
    return _of_eigenvalues((1 - position) * _log(first) + position * _log(second), torch.exp)


def affine_invariant(first: Tensor, second: Tensor, position: Tensor) -> Tensor:
    """Return ``S_1^1/2 ( S_1^-1/2 S_2 S_1^-1/2 )^t S_1^1/2`` of SPD matrices (n, R, R) in float64 and t (n, 1, 1).

    The roots are Cholesky factors: any root of S_1 gives the same geodesic.
    """
    _positive(torch.linalg.eigvalsh(first))
    root = torch.linalg.cholesky(first)
    half = torch.linalg.solve_triangular(root, second, upper=False)
    whitened = torch.linalg.solve_triangular(root, half.mT, upper=False)
    power = _of_eigenvalues((whitened + whitened.mT) / 2, lambda w: _positive(w).log().mul(position[..., 0]).exp())
    return root @ power @ root.mT


GEODESICS = {"affine-invariant": affine_invariant, "log-euclidean": log_euclidean}


@torch.no_grad()
def geodesic(first: Tensor, second: Tensor, position: Tensor, kind: str = "log-euclidean") -> Tensor:
    """Return the points at t on the geodesics between SPD matrices, where the logarithm of the determinant is linear.

    A straight line between two matrices swells the determinant in the middle. No gradient passes.

    Parameters
    ----------
    first, second : tensor (n, R, R)
        Symmetric positive definite; where t = 0 and t = 1.
    position : tensor (n,)
        t, in 0 .. 1.
    kind : {"affine-invariant", "log-euclidean"}

    Returns
    -------
    tensor (n, R, R)
        Symmetric positive definite, of the type of `first`; computed in float64.

    Raises
    ------
    InvalidOption, NotPositiveDefinite, NonFinite, ShapeMismatch

    References
    ----------
    Arsigny et al. (2006). Log-Euclidean metrics for fast and simple calculus on diffusion tensors. MRM 56.
    Pennec, Fillard and Ayache (2006). A Riemannian framework for tensor computing. IJCV 66.
    """
    check_option("kind", kind, GEODESICS)
    check_shape("first", first, (None, first.shape[-1], None))
    check_shape("second", second, tuple(first.shape))
    check_finite("position", check_shape("position", position, (len(first),)))
    if bool(((position < 0) | (position > 1)).any()):
        raise InvalidOption("position must lie in [0, 1]; got others. Give shares of the way.")
    ends = [_symmetric(name, z.double()) for name, z in (("first", first), ("second", second))]
    if not len(first):
        return first.clone()
    between = GEODESICS[kind](*ends, position.double()[:, None, None])
    return ((between + between.mT) / 2).to(first.dtype)


def _symmetric(name: str, matrices: Tensor) -> Tensor:
    check_finite(name, matrices, LIMIT)
    if not torch.allclose(matrices, matrices.mT, rtol=1e-4, atol=1e-6):
        raise InvalidOption(f"{name} must be symmetric; got a matrix that is not. Give (S + S.mT) / 2.")
    return (matrices + matrices.mT) / 2


def _positive(values: Tensor) -> Tensor:
    """Return ascending eigenvalues (n, R) if each is above rounding, else raise `NotPositiveDefinite`."""
    floor = values[:, -1] * values.shape[1] * torch.finfo(values.dtype).eps
    if bool((values[:, 0] <= floor.clamp(min=0)).any()):
        raise NotPositiveDefinite(
            f"Matrices on a geodesic must be positive definite; got an eigenvalue of {float(values[:, 0].min()):.3g}. "
            "Shrink them towards the identity."
        )
    return values


def _of_eigenvalues(matrices: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Return ``V f(w) V^T`` of symmetric matrices (n, R, R)."""
    values, vectors = torch.linalg.eigh(matrices)
    return (vectors * function(values)[:, None]) @ vectors.mT


def _log(matrices: Tensor) -> Tensor:
    return _of_eigenvalues(matrices, lambda values: _positive(values).log())
