"""Several networks, each stopped by another inner split, whose logits are averaged and brought to one temperature."""

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
    """

    make: Callable[[], nn.Module]
    inputs: Callable[[nn.Module, torch.Tensor], torch.Tensor]
    codes: np.ndarray
    groups: np.ndarray
    recipe: Recipe
    seed: int

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
        split = inner_split(self.codes, self.groups, self.recipe.validation, seed)
        return Lesson(network, self.inputs, self.codes, split, self.recipe, seed, masks)

    def ensemble(self, lessons: list[Lesson]) -> Ensemble:
        """The trained members with their temperature."""
        ensemble = Ensemble(lesson.network for lesson in lessons)
        left_out = [(lesson.split[1], _outputs(lesson)) for lesson in lessons]
        ensemble.temperature.fill_(temperature(left_out, self.codes))
        return ensemble.eval()


def train_ensembles(courses: Sequence[Course]) -> list[tuple[Ensemble, list[list[float]]]]:
    """Train the members of all ensembles side by side (`train_together`).

    A single inner split of few subjects picks an epoch by luck; members that share it would share the luck. The
    temperature of an ensemble is fitted on what its members say of the subjects that they were not trained on. The
    global random state of torch is left as it was.

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
def _outputs(lesson: Lesson) -> np.ndarray:
    """Logits (n, C) of the subjects that chose the epoch."""
    return lesson.inputs(lesson.network, torch.as_tensor(lesson.split[1])).double().numpy()


def _mean(outputs):
    return None if outputs[0] is None else torch.stack(list(outputs)).mean(0)
