"""Several networks, each stopped by another inner split, whose logits are averaged and brought to one temperature."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
from torch import nn

from graphfuse.estimators.calibration import fit_temperature
from graphfuse.estimators.dealing import inner_split
from graphfuse.estimators.training import Recipe, train_network


class Ensemble(nn.Module):
    """``mean over members of logits / temperature``; other parts of a tuple are averaged (None stays None).

    The temperature is one number, 1 until `train_ensemble` fits it; it travels with the state dict. It moves no
    class past another: the most probable class and, of two classes, the order of the subjects stay.
    """

    uses_y = True
    scope = "training"

    def __init__(self, members: Iterable[nn.Module]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, *inputs):
        outputs = [member(*inputs) for member in self.members]
        if isinstance(outputs[0], tuple):
            logits, *others = zip(*outputs, strict=True)
            return (_mean(logits) / self.temperature, *map(_mean, others))
        return _mean(outputs) / self.temperature


def train_ensemble(
    make: Callable[[], nn.Module],
    logits: Callable[[nn.Module, torch.Tensor], torch.Tensor],
    codes: np.ndarray,
    groups: np.ndarray,
    recipe: Recipe,
    seed: int,
) -> tuple[Ensemble, list[list[float]]]:
    """Train ``recipe.members`` networks of `make`, each with its own weights, batches and inner split.

    A single inner split of few subjects picks an epoch by luck; members that share it would share the luck. The
    temperature of the ensemble is fitted on what its members say of the subjects that they were not trained on. The
    global random state of torch is left as it was.

    Parameters
    ----------
    make : callable
        ``() -> Module`` with fresh weights.
    logits : callable
        ``(network, rows) -> (len(rows), C)``.
    codes, recipe
        As in `train_network`.
    groups : array (N,)
        Who must stay on one side of an inner split.
    seed : int
        Seed of everything.

    Returns
    -------
    Ensemble, and the inner validation loss by epoch of each member.
    """
    members, history, left_out = [], [], []
    with torch.random.fork_rng(devices=[]):
        for own_seed in np.random.SeedSequence(seed).generate_state(recipe.members).tolist():
            torch.manual_seed(own_seed)
            network = make()
            split = inner_split(codes, groups, recipe.validation, own_seed)
            own_logits = partial(logits, network)
            history.append(train_network(network, own_logits, codes, split, recipe, own_seed))
            left_out.append((split[1], _outputs(own_logits, split[1])))
            members.append(network)
    ensemble = Ensemble(members)
    ensemble.temperature.fill_(temperature(left_out, codes))
    return ensemble.eval(), history


def temperature(left_out: list[tuple[np.ndarray, np.ndarray]], codes: np.ndarray) -> float:
    """One temperature from each member's (rows (n,), logits (n, C)) of its own validation subjects.

    A subject who validates for several members counts once, with the mean of their logits. These subjects are few, and
    a network that was stopped by its validation loss is about right already, so log temperature is given the prior
    N(0, 1). A single member's logits scatter more than the ensemble's, and the epoch was chosen on these subjects: the
    first makes the ensemble a little too modest, the second a little too sure.
    """
    rows = np.concatenate([rows for rows, _ in left_out])
    subjects, place = np.unique(rows, return_inverse=True)
    scores = np.concatenate([scores for _, scores in left_out])
    total = np.zeros((len(subjects), scores.shape[1]))
    np.add.at(total, place, scores)
    mean = total / np.bincount(place)[:, None]
    return 1 / fit_temperature(mean, codes[subjects], spread=1.0)


@torch.no_grad()
def _outputs(logits: Callable[[torch.Tensor], torch.Tensor], rows: np.ndarray) -> np.ndarray:
    return logits(torch.as_tensor(rows)).double().numpy()


def _mean(outputs):
    return None if outputs[0] is None else torch.stack(list(outputs)).mean(0)
