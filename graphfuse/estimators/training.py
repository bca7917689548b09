"""The one training loop: AdamW, an inner split of the training subjects, the weights of its best epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import nn

from graphfuse._check import check_range
from graphfuse.errors import NonFinite
from graphfuse.estimators.calibration import calibrated_loss


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to train; the same for every network, so that a comparison compares networks.

    Parameters
    ----------
    learning_rate, weight_decay : float
        Of AdamW.
    epochs, patience : int
        At most so many epochs; stop after so many without a better inner validation loss, a `calibrated_loss`.
    batch_size : int or None
        Subjects a step; None = all (what a population graph needs).
    validation : float
        Share of the training subjects that choose the epoch.
    members : int
        Networks that are averaged, each with another inner split.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    epochs: int = 100
    patience: int = 15
    batch_size: int | None = 64
    validation: float = 0.15
    members: int = 3

    @classmethod
    def of(cls, model) -> Recipe:
        """The recipe among a model's parameters; without ``batch_size`` (a population model) a step sees everybody."""
        return cls(**{part.name: getattr(model, part.name, None) for part in fields(cls)})

    def __post_init__(self):
        check_range("learning_rate", self.learning_rate, 0, open_low=True)
        check_range("weight_decay", self.weight_decay, 0)
        check_range("epochs", self.epochs, 1)
        check_range("patience", self.patience, 1)
        check_range("batch_size", self.batch_size or 1, 1)
        check_range("members", self.members, 1)
        check_range("validation", self.validation, 0, 0.5, open_low=True)


def train_network(
    network: nn.Module,
    logits: Callable[[torch.Tensor], torch.Tensor],
    codes: np.ndarray,
    split: tuple[np.ndarray, np.ndarray],
    recipe: Recipe,
    seed: int,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
) -> list[float]:
    """Minimise the cross-entropy of ``logits(rows) -> (len(rows), C)``; leave `network` at its best epoch.

    Parameters
    ----------
    network : Module
        Trained in place; left in evaluation mode.
    logits : callable
        ``rows -> (len(rows), C)``, through `network`.
    codes : array (N,) int
        Classes of the training subjects.
    split : pair of int arrays
        The rows to learn from and the rows that choose the epoch, as `inner_split` parts them.
    recipe : Recipe
    seed : int
        Seed of the batches.
    loss : callable or None
        ``(rows, codes (len(rows),)) -> scalar``, what training minimises in place of the cross-entropy; the epoch is
        chosen by the cross-entropy all the same.

    Returns
    -------
    list of float
        Inner validation loss after each epoch, a `calibrated_loss`.

    Raises
    ------
    NonFinite
        The loss was never a number.
    """
    fit_rows, validation_rows = (torch.as_tensor(rows) for rows in split)
    target = torch.as_tensor(codes)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    shuffle = torch.Generator().manual_seed(seed)
    history, best, kept = [], np.inf, None
    for epoch in range(recipe.epochs):
        _one_epoch(network, loss or _cross_entropy(logits), target, fit_rows, optimiser, recipe.batch_size, shuffle)
        history.append(_loss(network, logits, target, validation_rows))
        if history[-1] < best:
            best, kept = history[-1], {name: value.clone() for name, value in network.state_dict().items()}
        elif epoch - int(np.argmin(history)) >= recipe.patience:
            break
    if kept is None:
        raise no_loss(history[0], recipe)
    network.load_state_dict(kept)
    network.eval()
    return history


def no_loss(loss: float, recipe: Recipe) -> NonFinite:
    """What is raised when no epoch's validation loss was a number; `loss` is the first one."""
    return NonFinite(
        f"The validation loss must be a number; it was {loss} from the first epoch on. Lower the learning rate (it is "
        f"{recipe.learning_rate})."
    )


def _cross_entropy(logits: Callable) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    return lambda rows, codes: nn.functional.cross_entropy(logits(rows), codes)


def _one_epoch(network, loss, target, rows, optimiser, batch_size, shuffle) -> None:
    network.train()
    order = rows[torch.randperm(len(rows), generator=shuffle)]
    for batch in order.split(batch_size or len(order)):
        optimiser.zero_grad(set_to_none=True)
        loss(batch, target[batch]).backward()
        optimiser.step()


@torch.no_grad()
def _loss(network, logits, target, rows) -> float:
    network.eval()
    weight = torch.full((1, len(rows)), 1 / len(rows), dtype=torch.float64)
    return float(calibrated_loss(logits(rows)[None], target[rows][None], weight))
