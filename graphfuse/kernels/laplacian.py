"""The scaled Laplacian of Chebyshev filters, applied without being stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from graphfuse.kernels.finite import check_finite


class Operator(Protocol):
    """Whatever multiplies node features (G, R, D)."""

    def __matmul__(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class ScaledLaplacian:
    """``L~ = 2 L / lambda_max - I`` with ``L = I - D^-1/2 A D^-1/2``.

    Parameters
    ----------
    operator : Adjacency
        ``D^-1/2 A D^-1/2``, without self-loops.
    lambda_max : float
        Largest eigenvalue of L, or its bound 2.
    """

    operator: Operator
    lambda_max: float

    def __matmul__(self, x: Tensor) -> Tensor:
        """Return ``L~ x = (2 / lambda_max)(x - A_norm x) - x`` for x (G, R, D)."""
        if self.lambda_max == 2.0:  # x - A x - x: the identity cancels exactly
            return -(self.operator @ x)
        return check_finite("L x", (2.0 / self.lambda_max) * (x - self.operator @ x) - x)
