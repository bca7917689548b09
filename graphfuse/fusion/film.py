"""Feature-wise linear modulation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_option
from graphfuse.fusion.contract import enter
from graphfuse.fusion.product import check_product


class FiLMFusion(nn.Module):
    """Feature-wise linear modulation ``z = gamma(c) * h + beta(c)``, ``h = 1 / |P| sum_{m in P} W_m v_m``.

    One modality c, for example an embedding of the phenotypes, scales and shifts the mean h of those of the others
    that a subject has, P. gamma and beta are linear in c and start at 1 and 0. A missing c leaves gamma = 1 and
    beta = 0; a missing v_m is left out of the mean; where all but c are missing, h = 0 and z = beta(c).

    Parameters
    ----------
    in_channels : dict of int
        Width d_m of each modality.
    out_channels : int
        Width D of z.
    condition : str or None
        The modality c; None = the first by name.

    Raises
    ------
    InvalidOption
        `condition` is none of the modalities.

    Notes
    -----
    The paper modulates one network; the mean over several modalities is ours.

    References
    ----------
    Perez et al. (2018). FiLM: visual reasoning with a general conditioning layer. AAAI.
    """

    def __init__(self, in_channels: Mapping[str, int], out_channels: int, condition: str | None = None):
        super().__init__()
        self.in_channels, self.out_channels = dict(in_channels), out_channels
        names = sorted(in_channels)
        self.condition = check_option("condition", names[0] if condition is None else condition, names)
        self.place = names.index(self.condition)
        self.project = nn.ModuleList(
            nn.Linear(in_channels[name], out_channels, bias=False) for name in names if name != self.condition
        )
        self.modulate = nn.Linear(in_channels[self.condition], 2 * out_channels)  # gamma - 1, beta
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> tuple[Tensor, None]:
        """Return z (B, D) and None; see `graphfuse.fusion.contract.enter` for the arguments and errors.

        Raises `NonFinite`, too, where the product of c and another embedding would be too large.
        """
        values, mask = enter(embeddings, present, self.in_channels)
        c, known = values.pop(self.place), mask[:, self.place, None]
        check_product([c, torch.cat([c[:, :0], *values], 1)])  # without others, 0 columns
        change, beta = torch.where(known, self.modulate(c), 0.0).chunk(2, 1)  # (B, D) each
        total = sum((project(v) for project, v in zip(self.project, values, strict=True)), torch.zeros_like(beta))
        count = (mask.sum(1, keepdim=True) - known.int()).clamp(min=1)
        return (1 + change) * total / count + beta, None
