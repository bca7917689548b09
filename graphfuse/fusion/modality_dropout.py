"""Modality dropout: in training, whole modalities go missing."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape


def drop_modalities(
    present: Mapping[str, Tensor], p: float, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Return `present` with each modality dropped with probability `p`, never all that a subject has.

    ``kept_m = present_m and (u_m >= p or u_m is the largest of those present)``, u uniform in 0 .. 1. Of k modalities,
    each is dropped with probability ``p - p^k / k``.

    Parameters
    ----------
    present : dict of bool tensor (B,)
    p : float
        In 0 .. 1; 1 leaves everybody one modality, at random.
    generator : torch.Generator or None
        On the CPU; None is torch's own. The same seed drops the same, whatever the order of the dict or the device.

    Raises
    ------
    InvalidOption
        A p beyond 0 .. 1.
    ShapeMismatch
        Modalities of unequal length.
    """
    check_range("p", p, 0.0, 1.0)
    names = sorted(present)
    batch = len(present[names[0]])
    mask = torch.stack([check_shape(f"present[{name!r}]", present[name], (batch,)).bool() for name in names], 1)
    draws = torch.rand(mask.shape, generator=generator).to(mask.device).masked_fill(~mask, -1.0)  # (B, M)
    last = torch.zeros_like(mask).scatter_(1, draws.argmax(1, keepdim=True), True)
    kept = mask & ((draws >= p) | last)
    return dict(zip(names, kept.unbind(1), strict=True))


class ModalityDropout(nn.Module):
    """`drop_modalities` in training, `present` itself otherwise.

    Parameters
    ----------
    p : float
        Probability with which a modality is dropped.
    generator : torch.Generator or None
        None is torch's own.

    References
    ----------
    Neverova et al. (2016). ModDrop: adaptive multi-modal gesture recognition. IEEE TPAMI.
    """

    def __init__(self, p: float = 0.3, generator: torch.Generator | None = None):
        super().__init__()
        self.p, self.generator = check_range("p", p, 0.0, 1.0), generator

    def forward(self, present: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return who has which modality in this step, a dict of bool tensors (B,)."""
        return drop_modalities(present, self.p, self.generator) if self.training else dict(present)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"p={self.p}"
