"""The one training loop: AdamW, an inner split of the training subjects, the weights of its best epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold
from torch import nn


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to train; the same for every network, so that a comparison compares networks.

    Parameters
    ----------
    learning_rate, weight_decay : float
        Of AdamW.
    epochs, patience : int
        At most so many epochs; stop after so many without a better inner validation loss.
    batch_size : int or None
        Subjects a step; None = all (what a population graph needs).
    validation : float
        Share of the training subjects that choose the epoch.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    epochs: int = 100
    patience: int = 15
    batch_size: int | None = 64
    validation: float = 0.15


def inner_split(codes: np.ndarray, groups: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows that choose the epoch: stratified by class, nobody's group on both sides."""
    folds = int(np.clip(round(1 / share), 2, np.bincount(codes).min()))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return next(iter(splitter.split(np.zeros(len(codes)), codes, groups)))


def train_network(
    network: nn.Module,
    logits: Callable[[torch.Tensor], torch.Tensor],
    codes: np.ndarray,
    groups: np.ndarray,
    recipe: Recipe,
    seed: int,
) -> list[float]:
    """Minimise the cross-entropy of ``logits(rows) -> (len(rows), C)``; leave `network` at its best epoch.

    Returns
    -------
    list of float
        Inner validation loss after each epoch.
    """
    fit_rows, validation_rows = (torch.as_tensor(rows) for rows in inner_split(codes, groups, recipe.validation, seed))
    target = torch.as_tensor(codes)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    shuffle = torch.Generator().manual_seed(seed)
    history, best, kept = [], np.inf, None
    for epoch in range(recipe.epochs):
        _one_epoch(network, logits, target, fit_rows, optimiser, recipe.batch_size, shuffle)
        history.append(_loss(network, logits, target, validation_rows))
        if history[-1] < best:
            best, kept = history[-1], {name: value.clone() for name, value in network.state_dict().items()}
        elif epoch - int(np.argmin(history)) >= recipe.patience:
            break
    network.load_state_dict(kept)
    network.eval()
    return history


def _one_epoch(network, logits, target, rows, optimiser, batch_size, shuffle) -> None:
    network.train()
    order = rows[torch.randperm(len(rows), generator=shuffle)]
    for batch in order.split(batch_size or len(order)):
        optimiser.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(logits(batch), target[batch]).backward()
        optimiser.step()


@torch.no_grad()
def _loss(network, logits, target, rows) -> float:
    network.eval()
    return float(nn.functional.cross_entropy(logits(rows), target[rows]))
