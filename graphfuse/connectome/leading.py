"""Leading-eigenvector dynamics (LEiDA): the dominant pattern of phase coherence in each frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.connectome.cofluctuation import standardised
from graphfuse.kernels.finite import check_finite


def analytic_phase(series: Tensor | np.ndarray, *, usable=None, device="cpu", dtype=torch.float64) -> Tensor:
    """Phase of each region in each frame, from the Hilbert transform: ``theta = angle(x + i H(x))``.

    The spectrum of the z-scored series loses its negative frequencies and doubles the positive ones, as in
    ``scipy.signal.hilbert``. A phase means something for a narrow band only: filter the series first.

    Parameters
    ----------
    series : (B, T, R), or (T, R)
        Band-limited time series of equal length, frames by regions.
    usable : array (B, R) bool or None
        Regions to use; the phase of the others is 0. None: all.
    device, dtype
        Where, and in which precision the phases are given; they are computed in float64.

    Returns
    -------
    Tensor (B, T, R)
        In [-pi, pi] [rad].

    Raises
    ------
    UnusableRegion, NonFinite, ShortSeries, ShapeMismatch, MissingModality
    """
    z = standardised(series, usable=usable, device=device, dtype=torch.float64)
    frames = z.shape[1]
    gain = torch.zeros(frames, dtype=z.dtype, device=z.device)
    gain[0] = 1
    gain[1 : (frames + 1) // 2] = 2
    if frames % 2 == 0:
        gain[frames // 2] = 1
    analytic = torch.fft.ifft(torch.fft.fft(z, dim=1) * gain[:, None], dim=1)
    return analytic.angle().to(dtype)


def leading_eigenvectors(phase: Tensor | np.ndarray, usable=None) -> tuple[Tensor, Tensor]:
    """Leading eigenvector and its share of the trace, of the coherence ``C_ij(t) = cos(theta_i - theta_j)``.

    ``C = c c^T + s s^T`` with ``c = cos theta``, ``s = sin theta`` has rank two, so that no R x R matrix is formed:
    with ``a = c^T c``, ``b = s^T s``, ``d = c^T s`` the eigenvalues are ``(a + b +- h) / 2``,
    ``h = sqrt((a - b)^2 + 4 d^2)``, and the leading vector is ``cos(psi) c + sin(psi) s`` over its length, with
    ``2 psi = atan2(2 d, a - b)``. Where both eigenvalues are equal the vector is c over its length. The sign is that
    of the paper: more entries are negative than positive; of as many, the first that is not 0 is negative.

    Parameters
    ----------
    phase : array (B, T, R)
        Phases [rad], of `analytic_phase`.
    usable : array (B, R) bool or None
        Regions to use; the entries of the others are 0. None: all.

    Returns
    -------
    vectors : Tensor (B, T, R)
        Of length 1.
    share : Tensor (B, T)
        Leading eigenvalue over the sum of eigenvalues, between 1/2 and 1 (0 without usable regions).

    Raises
    ------
    ShapeMismatch, NonFinite

    References
    ----------
    Cabral et al. (2017), Cognitive performance in healthy older adults relates to spontaneous switching between states
    of functional connectivity during rest, Sci Rep 7.
    """
    phase = torch.as_tensor(phase)
    check_shape("phase", phase, (None, None, None))
    usable = _mask(usable, phase)
    phase = torch.where(usable, phase, 0)
    check_finite("phase", phase, remedy="Mask regions without a phase in `usable`.")
    c, s = torch.where(usable, phase.cos(), 0), phase.sin()  # (B, T, R); sin 0 is 0
    a, b, d = c.square().sum(2), s.square().sum(2), (c * s).sum(2)
    psi = torch.atan2(2 * d, a - b) / 2
    vectors = psi.cos()[..., None] * c + psi.sin()[..., None] * s
    norm = vectors.norm(dim=2, keepdim=True)
    vectors = vectors / torch.where(norm > 0, norm, 1)
    leading = (a + b + torch.hypot(a - b, 2 * d)) / 2
    return _mostly_negative(vectors), leading / (a + b).clamp(min=1)


def _mostly_negative(vectors: Tensor) -> Tensor:
    """Turn each vector (..., R) so that more entries are negative than positive; ties: the first that is not 0."""
    balance = vectors.sign().sum(-1, keepdim=True)
    nonzero = (vectors != 0).to(torch.uint8)
    first = vectors.gather(-1, nonzero.argmax(-1, keepdim=True))
    flip = (balance > 0) | ((balance == 0) & (first > 0))
    return torch.where(flip, -vectors, vectors)


def _mask(usable, phase: Tensor) -> Tensor:
    """Usable regions as (B, 1, R) bool."""
    shape = (phase.shape[0], phase.shape[2])
    if usable is None:
        return torch.ones(shape, dtype=torch.bool, device=phase.device)[:, None]
    return check_shape("usable", torch.as_tensor(usable, device=phase.device).bool(), shape)[:, None]
