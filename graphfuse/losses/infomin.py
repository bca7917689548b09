"""What the common and the specific channel of a modality share: to be lowered."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphfuse._check import check_range
from graphfuse.losses.contract import nodes_present, nothing, unit_rows


class InfoMinLoss(nn.Module):
    """What the common and the specific channel of one modality share, to be minimised.

    ``L = 1/(2R) sum_i [ l(c_i, s) + l(s_i, c) ]`` with
    ``l(u_i, v) = log( e^(t_ii) / ( e^(t_ii) + sum_(j != i) e^(t_ij) ) )``, ``t_ij = cos(p(u_i), p(v_j)) / tau``, and
    p a perceptron of two layers. l is the logarithm of a probability, as printed in [1], without the minus sign of a
    usual contrastive loss: to minimise it drives the nodes that belong together apart. It is bounded, because
    ``|t| <= 1 / tau``. That j leaves out i, the width of p and tau = 0.5 are our readings.

    Parameters
    ----------
    channels : int
        Width D; also of p.
    temperature : float
        tau > 0.

    Raises
    ------
    InvalidOption

    References
    ----------
    [1] Xu et al. (2023). MSTGC. IEEE TNSRE 31, 2359-2369, eqs. (13)-(16).
    """

    def __init__(self, channels: int, temperature: float = 0.5):
        super().__init__()
        self.temperature = check_range("temperature", temperature, 0, open_low=True)
        self.project = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))

    def forward(
        self, common: Tensor, specific: Tensor, nodes: Tensor | None = None, present: Tensor | None = None
    ) -> Tensor:
        """Return the loss, at most 0: the mean over usable nodes, then over people.

        Parameters
        ----------
        common, specific : tensor (B, R, D)
        nodes : bool tensor (B, R) or None
            Usable nodes; None means all.
        present : bool tensor (B,) or None
            Who has the modality; None means everybody.

        Raises
        ------
        NonFinite, ShapeMismatch, InvalidOption
        """
        common, specific, nodes = nodes_present(common, specific, nodes, present)
        if not len(common):
            return nothing(common, specific)
        score = unit_rows(self.project(common)) @ unit_rows(self.project(specific)).mT / self.temperature  # (B, R, R)
        return (_own_share(score, nodes) + _own_share(score.mT, nodes)) / 2


def _own_share(score: Tensor, nodes: Tensor) -> Tensor:
    """Return the mean over nodes i of ``log softmax_j(score_ij)`` at j = i, over usable i and j."""
    log_share = score.masked_fill(~nodes[:, None], torch.finfo(score.dtype).min).log_softmax(-1)
    own = torch.where(nodes, log_share.diagonal(dim1=1, dim2=2), 0)  # (B, R)
    return (own.sum(1) / nodes.sum(1).clamp(min=1)).mean()
