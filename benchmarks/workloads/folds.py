"""Ten folds x ten seeds of a population GCN, 871 x 2000, trained as one batch and one after another.

Transductive: all hundred networks read the same nodes and the same graph, each with its own training subjects, inner
split, weights and masks, and stops by itself. The peers train them one after another: by the plain loop over ordinary
networks, and by the batch of one. Errors are those of the probabilities against the batch of one.

A tenth of the networks stands for all in the peers' turns, and their seconds are multiplied: they do not know of each
other, so the time of a hundred is that of ten, ten times. Epochs are few; patience never ends one, so that every
contestant trains the same epochs.
"""

from __future__ import annotations

import torch

from benchmarks.paired import OURS, Floor, Row, compare
from graphfuse.estimators.dealing import inner_split
from graphfuse.estimators.inputs import People
from graphfuse.estimators.lockstep import Lesson, train_together
from graphfuse.estimators.population_classifier import PopulationNetwork
from graphfuse.estimators.training import Recipe, train_network
from graphfuse.kernels import Adjacency
from graphfuse.nn.encoder import GraphEncoder

N, F, FOLDS, SEEDS, NEIGHBOURS = 871, 2000, 10, 10, 10
SAMPLE = 10  # networks that stand for all FOLDS * SEEDS when they are trained one after another
RECIPE = Recipe(learning_rate=5e-3, epochs=10, patience=10, batch_size=None)
EQUAL = Recipe(learning_rate=5e-3, epochs=300, patience=30, batch_size=None)  # as PopulationClassifier's


def population() -> tuple[People, torch.Tensor]:
    """Everybody in one graph of the most correlated others, and their classes."""
    torch.manual_seed(0)
    classes = torch.arange(N) % 2
    x = torch.randn(N, F) + 0.2 * classes[:, None] * (torch.randn(F) > 1)
    units = torch.nn.functional.normalize(x - x.mean(1, keepdim=True), dim=1)
    source = (units @ units.T).fill_diagonal_(-2).topk(NEIGHBOURS, dim=1).indices
    weight = torch.zeros(N, N).scatter_(1, source, 1.0)
    return People(x, Adjacency.from_dense(torch.maximum(weight, weight.T))), classes


def lesson(people: People, classes: torch.Tensor, fold: int, seed: int, recipe: Recipe) -> Lesson:
    """One network: who is in its fold is not in its training set."""
    torch.manual_seed(1000 * fold + seed)
    network = PopulationNetwork(GraphEncoder(F, (16,), conv="gcn", dropout=0.3), 2)
    masks = torch.Generator().set_state(torch.get_rng_state())
    trained = torch.arange(N)[torch.arange(N) % FOLDS != fold].numpy()
    fit, validation = inner_split(classes.numpy()[trained], None, recipe.validation, seed)
    return Lesson(network, people, classes.numpy(), (trained[fit], trained[validation]), recipe, seed, masks)


def plain(one: Lesson) -> None:
    """The loop over an ordinary network."""
    train_network(one.network, lambda rows: one.inputs(one.network, rows), one.codes, one.split, one.recipe, one.seed)


def probabilities(lessons: list[Lesson]) -> torch.Tensor:
    """(M, N, 2)."""
    with torch.no_grad():
        return torch.stack([one.network(one.inputs.x, one.inputs.adjacency).softmax(1) for one in lessons])


def difference(people: People, classes: torch.Tensor) -> float:
    """Largest difference of a probability after a whole training with early stopping, batch against batch of one."""
    whole, single = ([lesson(people, classes, fold, 0, EQUAL) for fold in range(4)] for _ in range(2))
    train_together(whole)
    for one in single:
        train_together([one])
    return float((probabilities(whole) - probabilities(single)).abs().max())


def rows():
    """One row; the seconds are those of all hundred networks."""
    people, classes = population()
    places = [(fold, seed) for fold in range(FOLDS) for seed in range(SEEDS)]

    def lessons(count: int) -> list[Lesson]:
        return [lesson(people, classes, *place, RECIPE) for place in places[:: len(places) // count]]

    row = compare(
        f"{FOLDS} folds x {SEEDS} seeds of a population GCN {N} x {F}, {RECIPE.epochs} epochs",
        {
            OURS: lambda: train_together(lessons(FOLDS * SEEDS)) and None,
            "one after another, plain loop": lambda: [plain(one) for one in lessons(SAMPLE)] and None,
            "one after another, batch of one": lambda: [train_together([one]) for one in lessons(SAMPLE)] and None,
        },
        error=difference(people, classes),
        floors=[Floor("best", 5)],
        notes="Seconds of all networks (the peers' turns hold a tenth of them). Two of the three products of x (N x F) "
        "with the weights that an epoch needs are left: the validation shares its product with the next epoch.",
    )
    scale = {name: 1.0 if name == OURS else FOLDS * SEEDS / SAMPLE for name in row.seconds}
    seconds = {name: value * scale[name] for name, value in row.seconds.items()}
    yield Row(row.workload, seconds, row.peaks, row.error, row.floors, row.notes, {"within 1e-5": row.error <= 1e-5})
