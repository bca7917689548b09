"""Several networks, each stopped by another inner split, whose logits are averaged at temperatures of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from graphfuse.estimators.calibration import fit_temperature
from graphfuse.estimators.dealing import inner_split
from graphfuse.estimators.lockstep import Lesson, train_together
from graphfuse.estimators.training import Recipe


class Ensemble(nn.Module):
    """``mean over members of logits / temperature``; other parts of a tuple are averaged (None stays None).

    The temperatures (M,) are 1 until `train_ensemble` fits them; they travel with the state dict. A member that grew
    surer than the others, for it was stopped later, is no louder for that. Of one member, no temperature moves a class
    past another, or a subject.
    """

    uses_y = True
    scope = "training"

    def __init__(self, members: Iterable[nn.Module]):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.ones(len(self.members)))

    def forward(self, *inputs):
        outputs = [member(*inputs) for member in self.members]
        if isinstance(outputs[0], tuple):
            logits, *others = zip(*outputs, strict=True)
            return (self._joined(logits), *map(_mean, others))
        return self._joined(outputs)

    def _load_from_state_dict(self, state_dict, prefix, *others):
        key = f"{prefix}temperature"
        if key in state_dict and state_dict[key].dim() == 0:  # saved when the members shared one
            state_dict[key] = state_dict[key].repeat(len(self.members))
        super()._load_from_state_dict(state_dict, prefix, *others)

    def _joined(self, logits) -> torch.Tensor:
        return _mean([part / t for part, t in zip(logits, self.temperature, strict=True)])


@dataclass(frozen=True, eq=False)
class Course:
    """What an ensemble is to be trained on.

    Parameters
    ----------
    make : callable
        ``() -> Module`` with fresh weights.
    inputs : Vectors, People, or another callable
        ``(network, rows) -> (len(rows), C)``.
    codes, recipe
        As in `train_network`.
    groups : array (N,)
        Who must stay on one side of an inner split.
    seed : int
        Seed of everything.
    split : pair of int arrays or None
        The rows to learn from and those that choose the epoch; None: each member draws its own.
    """

    make: Callable[[], nn.Module]
    inputs: Callable[[nn.Module, torch.Tensor], torch.Tensor]
    codes: np.ndarray
    groups: np.ndarray
    recipe: Recipe
    seed: int
    split: tuple[np.ndarray, np.ndarray] | None = None

    def lessons(self) -> list[Lesson]:
        """One a member, each with its own weights, batches and inner split."""
        with torch.random.fork_rng(devices=[]):
            return [
                self._lesson(s) for s in np.random.SeedSequence(self.seed).generate_state(self.recipe.members).tolist()
            ]

    def _lesson(self, seed: int) -> Lesson:
        torch.manual_seed(seed)
        network = self.make()
        masks = torch.Generator().set_state(torch.get_rng_state())  # goes on where the weights ended
        split = self.split or inner_split(self.codes, self.groups, self.recipe.validation, seed)
        return Lesson(network, self.inputs, self.codes, split, self.recipe, seed, masks)

    def ensemble(self, lessons: list[Lesson]) -> Ensemble:
        """The trained members with their temperatures."""
        ensemble = Ensemble(lesson.network for lesson in lessons)
        ensemble.temperature.copy_(torch.tensor([temperature(lesson) for lesson in lessons]))
        return ensemble.eval()


def train_ensembles(courses: Sequence[Course]) -> list[tuple[Ensemble, list[list[float]]]]:
    """Train the members of all ensembles side by side (`train_together`).

    A single inner split of few subjects picks an epoch by luck; members that share it would share the luck. The global
    random state of torch is left as it was.

    Returns
    -------
    list of (Ensemble, inner validation loss by epoch of each member)
    """
    lessons = [course.lessons() for course in courses]
    histories = iter(train_together([lesson for own in lessons for lesson in own]))
    return [
        (course.ensemble(own), [next(histories) for _ in own]) for course, own in zip(courses, lessons, strict=True)
    ]


def train_ensemble(*course, **parts) -> tuple[Ensemble, list[list[float]]]:
    """Train one ensemble; arguments as of `Course`."""
    return train_ensembles([Course(*course, **parts)])[0]


@torch.no_grad()
def temperature(lesson: Lesson) -> float:
    """The temperature of a trained member, by what it says of the subjects that it was not trained on.

    These subjects are few, so log temperature is given the prior N(0, 1), as when the epoch was chosen on them. That
    choice makes it a little too sure; the mean of several members is a little more modest than each.
    """
    rows = lesson.split[1]
    logits = lesson.inputs(lesson.network, torch.as_tensor(rows)).double().numpy()
    return 1 / fit_temperature(logits, lesson.codes[rows], spread=1.0)


def _mean(outputs):
    return None if outputs[0] is None else torch.stack(list(outputs)).mean(0)
