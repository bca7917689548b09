"""The losses of the modalities as one: ``weighting({name: (B,)}, {name: (B,) bool}) -> (total, {name: weight})``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from graphfuse._check import check_range, check_shape
from graphfuse.errors import InvalidOption, MissingModality
from graphfuse.losses.contract import leaving, rows_present


def modality_names(names: Iterable[str]) -> list[str]:
    """Return the names of the modalities, sorted; raise `InvalidOption` if there is none, or one twice."""
    names = sorted(names)
    if not names or len(set(names)) < len(names):
        raise InvalidOption(f"A weighting needs one modality or more, each once; got {names}. Name them.")
    return names


def mean_losses(
    names: list[str], losses: Mapping[str, Tensor], present: Mapping[str, Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Return each modality's mean loss over those who have it, and whether anybody has.

    Parameters
    ----------
    names : list of str
    losses : dict of tensor (B,)
    present : dict of bool tensor (B,) or None
        None means everybody has everything.

    Returns
    -------
    mean : tensor (M,)
        0 where nobody has the modality.
    anybody : bool tensor (M,)

    Raises
    ------
    MissingModality, NonFinite, ShapeMismatch, InvalidOption
    """
    came = [sorted(losses), sorted(names if present is None else present)]
    if came != [names, names]:
        raise MissingModality(
            f"This weighting was made for {names}; got losses of {came[0]} and presence of {came[1]}. "
            "Give a modality that nobody has as zeros, present False."
        )
    for name in names:
        check_shape(f"losses[{name!r}]", losses[name], (None,))
    rows = [
        rows_present(f"losses[{name!r}]", losses[name], None if present is None else present[name]) for name in names
    ]
    anybody = torch.tensor([len(row) > 0 for row in rows], device=rows[0].device)
    return torch.stack([row.sum() / max(len(row), 1) for row in rows]), anybody


class FixedWeighting(nn.Module):
    """Weights that stay: ``L = sum_m w_m L_m``.

    Parameters
    ----------
    names : iterable of str
        Of the modalities.
    weights : dict of float or None
        w_m, at least 0; None is 1/M each.

    Raises
    ------
    InvalidOption
        A negative weight, or weights of other modalities.
    """

    def __init__(self, names: Iterable[str], weights: Mapping[str, float] | None = None):
        super().__init__()
        self.names = modality_names(names)
        weights = dict.fromkeys(self.names, 1 / len(self.names)) if weights is None else weights
        if sorted(weights) != self.names:
            raise InvalidOption(f"weights must have the modalities {self.names}; got {sorted(weights)}. Name each.")
        values = [float(check_range(f"weights[{name!r}]", weights[name], 0)) for name in self.names]
        self.register_buffer("weight", torch.tensor(values))

    def forward(
        self, losses: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total and the weight of each modality; see `mean_losses` for the arguments."""
        mean, _ = mean_losses(self.names, losses, present)
        return leaving("the weighted loss", (self.weight * mean).sum()), by_name(self.names, self.weight)


class AdaptiveWeighting(nn.Module):
    """More weight to a modality that learns well: ``w = (1 - f) softmax(-L / tau) + f / M``, ``tau = mean_m L_m``.

    AGDAF raises the weight of modalities with a low loss and lowers the others'; its formula is not known to us. This
    one is ours: L are running means over batches, kept apart from gradients; dividing by their mean makes it free of
    scale; and the floor f / M keeps the rich from taking all. A modality that nobody of a batch has keeps its running
    mean; one that was never seen has no weight yet.

    Parameters
    ----------
    names : iterable of str
        Of the modalities.
    momentum : float
        Of the running means, ``L <- momentum L + (1 - momentum) L_batch``, updated in training mode; in 0 .. 1.
    floor : float
        f, in 0 .. 1.

    Raises
    ------
    InvalidOption

    References
    ----------
    Li et al. (2022). Adaptive multimodal fusion with attention guided deep supervision net for grading hepatocellular
    carcinoma. IEEE JBHI (the direction; the formula is ours).
    """

    def __init__(self, names: Iterable[str], momentum: float = 0.9, floor: float = 0.1):
        super().__init__()
        self.names = modality_names(names)
        self.momentum, self.floor = check_range("momentum", momentum, 0, 1), check_range("floor", floor, 0, 1)
        self.register_buffer("running", torch.zeros(len(self.names)))
        self.register_buffer("seen", torch.zeros(len(self.names), dtype=torch.bool))

    def forward(
        self, losses: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total and the weight of each modality, summing to 1; see `mean_losses` for the arguments.

        Raises `InvalidOption` for a negative loss, for which ``softmax(-L / tau)`` may turn round.
        """
        mean, anybody = mean_losses(self.names, losses, present)
        if bool((mean < 0).any()):
            raise InvalidOption(
                f"Adaptive weighting needs losses of at least 0; got {float(mean.detach().min()):.3g}. "
                "Weight this one with FixedWeighting."
            )
        if self.training:
            self._update(mean.detach(), anybody)
        weight = self.weights().to(mean)
        return leaving("the weighted loss", (weight * mean).sum()), by_name(self.names, weight)

    def weights(self) -> Tensor:
        """Return the weights as they stand, (M,), summing to 1; equal before anything was seen."""
        seen = self.seen | ~self.seen.any()
        tau = self.running[seen].mean()
        share = (-self.running[seen] / torch.where(tau > 0, tau, 1)).softmax(0)
        weight = torch.zeros_like(self.running)
        weight[seen] = (1 - self.floor) * share + self.floor / len(share)
        return weight

    def _update(self, mean: Tensor, anybody: Tensor) -> None:
        mean = mean.to(self.running)
        moved = torch.where(self.seen, self.momentum * self.running + (1 - self.momentum) * mean, mean)
        self.running.copy_(torch.where(anybody, moved, self.running))
        self.seen.logical_or_(anybody)


class UncertaintyWeighting(nn.Module):
    """Learned noise of each modality: ``L = sum_m L_m / (2 s_m^2) + log s_m``.

    A modality that nobody of a batch has adds neither term.

    Parameters
    ----------
    names : iterable of str
        Of the modalities.

    References
    ----------
    Kendall, Gal and Cipolla (2018). Multi-task learning using uncertainty to weigh losses. CVPR.
    """

    def __init__(self, names: Iterable[str]):
        super().__init__()
        self.names = modality_names(names)
        self.log_variance = nn.Parameter(torch.zeros(len(self.names)))  # log s_m^2

    def forward(
        self, losses: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total and the weight ``1 / (2 s_m^2)`` of each modality; see `mean_losses` for the arguments."""
        mean, anybody = mean_losses(self.names, losses, present)
        weight = torch.exp(-self.log_variance) / 2
        total = torch.where(anybody, weight * mean + self.log_variance / 2, 0).sum()
        return leaving("the weighted loss", total), by_name(self.names, weight)


def by_name(names: list[str], weight: Tensor) -> dict[str, Tensor]:
    """Return the weights (M,) as {name: number}, detached."""
    return dict(zip(names, weight.detach().clone(), strict=True))


WEIGHTINGS = {"adaptive": AdaptiveWeighting, "fixed": FixedWeighting, "uncertainty": UncertaintyWeighting}
