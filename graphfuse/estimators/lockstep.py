"""Networks of one shape trained as one stack, step by step together; each stops by itself and keeps its best epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version
from torch.nn.functional import cross_entropy

from graphfuse.estimators.calibration import calibrated_loss
from graphfuse.estimators.inputs import ManyPeople, ManyVectors, People, Vectors, together, whole_runs
from graphfuse.estimators.training import Recipe, no_loss, train_network
from graphfuse.nn.stacked import BLOCK, stack, stackable, take, unstack


@dataclass(frozen=True, eq=False)
class Lesson:
    """One network to train.

    Parameters
    ----------
    network : Module
        With fresh weights; trained in place.
    inputs : Vectors, People, or another callable
        ``(network, rows) -> (len(rows), C)``.
    codes, split, recipe, seed
        As in `train_network`.
    masks : Generator
        What its dropout masks are drawn from.
    """

    network: nn.Module
    inputs: Vectors | People | Callable[[nn.Module, Tensor], Tensor]
    codes: np.ndarray
    split: tuple[np.ndarray, np.ndarray]
    recipe: Recipe
    seed: int
    masks: torch.Generator

    @property
    def batch(self) -> int:
        """Rows of a step; whole runs of people, those beyond the last weigh nothing."""
        everybody = whole_runs(len(self.split[0]))
        return min(self.recipe.batch_size or everybody, everybody)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-len(self.split[0]) // self.batch)

    @property
    def stackable(self) -> bool:
        """Whether it can be given beside others: what is read has a form for many, and every layer has a twin."""
        return isinstance(self.inputs, (Vectors, People)) and stackable(self.network)

    @property
    def shape(self) -> tuple:
        """Lessons of one shape can be given side by side."""
        sizes = tuple(tuple(parameter.shape) for parameter in self.network.parameters())
        judged = whole_runs(len(self.split[1]))
        return (
            self.recipe,
            type(self.inputs),
            self.inputs.shape,
            str(self.network),
            sizes,
            self.batch,
            self.steps,
            judged,
        )


def train_together(lessons: Sequence[Lesson]) -> list[list[float]]:
    """Train networks side by side, those of one shape as one stack; each is left at its best epoch, in evaluation mode.

    A model's numbers do not depend on the models beside it: it has its own weights, batches, masks, best epoch and
    end; sums run over its own rows alone, in the order in which they would run if it were the only one. A network with
    a layer that has no stacked form (attention, a user's own) is trained by `train_network`.

    Parameters
    ----------
    lessons : sequence of Lesson
        Of any shapes.

    Returns
    -------
    list of list of float
        Inner validation loss of each network after each epoch.

    Raises
    ------
    NonFinite
        The loss of a network was never a number.
    """
    groups: dict[tuple, list[int]] = {}
    histories: dict[int, list[float]] = {}
    for place, lesson in enumerate(lessons):
        if lesson.stackable:
            groups.setdefault(lesson.shape, []).append(place)
        else:
            histories[place] = _train_alone(lesson)
    for places in groups.values():
        histories |= zip(places, _train([lessons[place] for place in places]), strict=True)
    return [histories[place] for place in range(len(lessons))]


def _train_alone(lesson: Lesson) -> list[float]:
    logits = partial(lesson.inputs, lesson.network)
    loss = partial(lesson.inputs.loss, lesson.network) if hasattr(lesson.network, "loss") else None
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(lesson.masks.get_state())
        return train_network(lesson.network, logits, lesson.codes, lesson.split, lesson.recipe, lesson.seed, loss)


@dataclass
class _SideBySide:
    """The models that are still being trained, side by side."""

    lessons: Sequence[Lesson]
    models: Tensor  # (m,) their places among all lessons
    stacked: nn.Module
    inputs: ManyVectors | ManyPeople
    optimiser: torch.optim.Optimizer
    shuffles: list[torch.Generator]

    @classmethod
    def of(cls, lessons: Sequence[Lesson]) -> _SideBySide:
        stacked = stack([lesson.network for lesson in lessons], [lesson.masks for lesson in lessons])
        inputs = together([lesson.inputs for lesson in lessons], lessons[0].network)
        shuffles = [torch.Generator().manual_seed(lesson.seed) for lesson in lessons]
        return cls(
            lessons, torch.arange(len(lessons)), stacked, inputs, _optimiser(stacked, lessons[0].recipe), shuffles
        )

    def take(self, rows: Tensor) -> _SideBySide:
        """Those that go on."""
        before = [self.optimiser.state[parameter] for parameter in self.stacked.parameters()]
        take(self.stacked, rows)
        optimiser = _optimiser(self.stacked, self.lessons[0].recipe)
        for parameter, state in zip(self.stacked.parameters(), before, strict=True):
            optimiser.state[parameter] = {key: value[rows] if value.dim() else value for key, value in state.items()}
        chosen = rows.tolist()
        return _SideBySide(
            [self.lessons[row] for row in chosen],
            self.models[rows],
            self.stacked,
            self.inputs.take(rows),
            optimiser,
            [self.shuffles[row] for row in chosen],
        )


def _train(lessons: Sequence[Lesson]) -> list[list[float]]:
    """One stack from first weights to last: every epoch is judged, whose best lies too far back goes no further."""
    recipe = lessons[0].recipe
    going, histories = _SideBySide.of(lessons), [[] for _ in lessons]
    best = np.full(len(lessons), np.inf)
    kept = {name: value.detach().clone() for name, value in going.stacked.named_parameters()}
    for epoch in range(recipe.epochs):
        _one_epoch(going)
        losses, models = _losses(going), going.models.numpy()
        for model, loss in zip(models, losses, strict=True):
            histories[model].append(float(loss))
        better = losses < best[models]
        best[models[better]] = losses[better]
        _keep(kept, going, torch.as_tensor(better))
        last = [int(np.argmin(histories[model])) for model in models]
        goes_on = torch.as_tensor(better | (epoch - np.array(last) < recipe.patience))
        if not goes_on.any():
            break
        if not goes_on.all():
            going = going.take(goes_on.nonzero()[:, 0])
    if np.isinf(best).any():
        raise no_loss(histories[int(np.isinf(best).argmax())][0], recipe)
    unstack(kept, [lesson.network.eval() for lesson in lessons])
    return histories


def _optimiser(stacked: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The fused kernel rounds the last numbers of a tensor otherwise, so it gets parameters of whole blocks alone."""
    whole = [parameter for parameter in stacked.parameters() if parameter[0].numel() % BLOCK == 0]
    others = [parameter for parameter in stacked.parameters() if parameter[0].numel() % BLOCK]
    groups = [{"params": part, "fused": fused} for part, fused in ((whole, True), (others, False)) if part]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def _one_epoch(going: _SideBySide) -> None:
    going.stacked.train()
    batch = going.lessons[0].batch
    orders = [
        lesson.split[0][torch.randperm(len(lesson.split[0]), generator=shuffle).numpy()]
        for lesson, shuffle in zip(going.lessons, going.shuffles, strict=True)
    ]
    for begin in range(0, batch * going.lessons[0].steps, batch):
        going.optimiser.zero_grad(set_to_none=True)
        _loss(going, [order[begin : begin + batch] for order in orders], batch).sum().backward()
        going.optimiser.step()
        increment_version(list(going.stacked.parameters()))  # the fused step does not say that it wrote


@torch.no_grad()
def _losses(going: _SideBySide) -> np.ndarray:
    """Inner validation loss (m,) of each model."""
    going.stacked.eval()
    rows = [lesson.split[1] for lesson in going.lessons]
    return calibrated_loss(*_said(going, rows, whole_runs(max(map(len, rows))))).numpy()


def _loss(going: _SideBySide, rows: Sequence[np.ndarray], width: int) -> Tensor:
    """Mean cross-entropy (m,) of each model over its own rows, added in double: no epoch wins by rounding."""
    logits, target, weight = _said(going, rows, width)
    losses = cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
    return (losses.view(weight.shape).double() * weight).sum(1)


def _said(going: _SideBySide, rows: Sequence[np.ndarray], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (m, width, C) of each model, classes and weights of its own rows; rows that fill up weigh nothing."""
    places, target = np.zeros((2, len(rows), width), dtype=np.int64)
    weight = np.zeros((len(rows), width))
    for m, (own, lesson) in enumerate(zip(rows, going.lessons, strict=True)):
        places[m, : len(own)], target[m, : len(own)], weight[m, : len(own)] = own, lesson.codes[own], 1 / len(own)
    logits = going.inputs(going.stacked, torch.as_tensor(places))  # (m, width, C)
    return logits, torch.as_tensor(target), torch.as_tensor(weight)


@torch.no_grad()
def _keep(kept: dict[str, Tensor], going: _SideBySide, better: Tensor) -> None:
    for name, value in going.stacked.named_parameters():
        kept[name][going.models[better]] = value[better]
