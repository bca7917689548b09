"""From windows side by side to a sequence a subject, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def by_subject(z: Tensor, offsets: np.ndarray | None) -> tuple[Tensor, Tensor]:
    """Return the windows of each subject as a sequence, (B, W, ...), and which of them there are, bool (B, W).

    Parameters
    ----------
    z : tensor (G, ...)
        One entry a window; subject i owns ``z[offsets[i]:offsets[i + 1]]``.
    offsets : array (B + 1,) int or None
        None: one window a subject.
    """
    if offsets is None:
        return z[:, None], torch.ones(len(z), 1, dtype=torch.bool, device=z.device)
    counts = torch.as_tensor(np.diff(offsets), device=z.device)
    present = torch.arange(int(counts.max()), device=z.device) < counts[:, None]  # (B, W)
    sequence = z.new_zeros(*present.shape, *z.shape[1:])
    sequence[present] = z
    return sequence, present


def window_mean(z: Tensor, offsets: np.ndarray | None) -> Tensor:
    """Return the mean over the windows of each subject, (B, ...)."""
    sequence, present = by_subject(z, offsets)
    count = present.sum(1).view(-1, *(1,) * (z.dim() - 1))
    return sequence.sum(1) / count
