"""Several networks, each stopped by another inner split, whose logits are averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn

from graphfuse.estimators.training import Recipe, train_network


class Ensemble(nn.Module):
    """The mean of what the members return; a member that returns a tuple has each part averaged (None stays None)."""

    def __init__(self, members: Iterable[nn.Module]):
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, *inputs):
        outputs = [member(*inputs) for member in self.members]
        if isinstance(outputs[0], tuple):
            return tuple(_mean(parts) for parts in zip(*outputs, strict=True))
        return _mean(outputs)


def train_ensemble(
    make: Callable[[], nn.Module],
    logits: Callable[[nn.Module, torch.Tensor], torch.Tensor],
    codes: np.ndarray,
    groups: np.ndarray,
    recipe: Recipe,
    seed: int,
) -> tuple[Ensemble, list[list[float]]]:
    """Train ``recipe.members`` networks of `make`, each with its own weights, batches and inner split.

    A single inner split of few subjects picks an epoch by luck; members that share it would share the luck. The global
    random state of torch is left as it was.

    Parameters
    ----------
    logits : callable
        ``(network, rows) -> (len(rows), C)``.
    codes, groups, recipe, seed
        As in `train_network`.

    Returns
    -------
    Ensemble, and the inner validation loss by epoch of each member.
    """
    members, history = [], []
    with torch.random.fork_rng(devices=[]):
        for own_seed in np.random.SeedSequence(seed).generate_state(recipe.members).tolist():
            torch.manual_seed(own_seed)
            network = make()
            history.append(
                train_network(network, lambda rows, n=network: logits(n, rows), codes, groups, recipe, own_seed)
            )
            members.append(network)
    return Ensemble(members).eval(), history


def _mean(outputs: list):
    return None if outputs[0] is None else torch.stack(outputs).mean(0)
