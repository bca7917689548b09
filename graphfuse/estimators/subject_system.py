"""SubjectSystem: a network over each subject's own graphs and vectors, trained and asked like any classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from graphfuse.cohort import Cohort
from graphfuse.estimators.base import CohortClassifier
from graphfuse.estimators.ensemble import Ensemble, train_ensemble
from graphfuse.estimators.nested import NestedViews
from graphfuse.estimators.training import Recipe
from graphfuse.estimators.views import apply_views, early_split, fit_views, measured, modalities, places, shapes, take
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.rows import Rows

AT_ONCE = 64  # subjects whose logits are computed together where nothing is trained


@dataclass(frozen=True, eq=False)
class Subjects:
    """The inputs of subjects: ``network(inputs of some rows) -> logits``, and the loss where the network has its own.

    Parameters
    ----------
    inputs : dict of str to Graphs or Rows
    """

    inputs: Mapping[str, Graphs | Rows]

    def __call__(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Logits (B, C) of some rows."""
        if network.training:
            return network(take(self.inputs, rows))
        return torch.cat([network(take(self.inputs, part)) for part in rows.split(AT_ONCE)])

    def loss(self, network: nn.Module, rows: Tensor, codes: Tensor) -> Tensor:
        """The network's own loss of some rows."""
        return network.loss(take(self.inputs, rows), codes)


class SubjectSystem(NestedViews, CohortClassifier):
    """Classify people by a network over their own graphs and vectors: views, a network, a recipe.

    Every published system that keeps subjects apart is one of these; see `graphfuse.systems`.

    Parameters
    ----------
    views : dict of str to view
        Role -> how the network's input of this name is made, of a modality (`FunctionalGraph`, `DynamicGraph`,
        `MorphometricGraph`, `VectorView`) or of phenotypes (`PhenotypeView`).
    network : callable
        ``(shapes, n_classes, **options) -> Module`` with ``shapes: dict[str, (R, F) or (P,)]`` by role. The module has
        ``forward(inputs: dict[str, Graphs or Rows]) -> logits (B, C)``; where it also has ``loss(inputs, codes) ->
        scalar``, training minimises that in place of the cross-entropy, and where it has ``prepare(inputs)``, it sees
        the training subjects' inputs once before it is trained.
    options : dict or None
        Keyword arguments of `network`.
    signals : dict of str to str or None
        Role -> modality, where the two names differ.
    learning_rate, weight_decay, epochs, patience, batch_size, validation, members, random_state
        See `Recipe`; the epoch is chosen on inner splits of the training subjects.

    Attributes
    ----------
    views_ : fitted views
    shapes_ : dict of str to tuple
    network_ : Ensemble of networks
    history_ : inner validation loss by epoch, for each member
    """

    uses_y = True
    scope = "training"

    def __init__(
        self,
        views=None,
        network: Callable[..., nn.Module] | None = None,
        options=None,
        signals=None,
        learning_rate=1e-3,
        weight_decay=1e-2,
        epochs=100,
        patience=15,
        batch_size=64,
        validation=0.15,
        members=1,
        random_state=0,
    ):
        self.views = views
        self.network = network
        self.options = options
        self.signals = signals
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.validation = validation
        self.members = members
        self.random_state = random_state

    def _fit(self, cohort: Cohort, codes: np.ndarray) -> None:
        split = early_split(self.views or {}, self.signals, cohort, codes, self.validation, self.random_state)
        self.views_ = fit_views(self.views or {}, self.signals, cohort, codes, split)
        inputs = self.inputs(cohort)
        rows = measured(inputs)
        inputs = take(inputs, rows)
        self.shapes_ = shapes(inputs)
        self.network_, self.history_ = train_ensemble(
            lambda: self._prepared(inputs),
            Subjects(inputs),
            codes[rows],
            cohort.groups[rows],
            Recipe.of(self),
            self.random_state,
            places(split, rows),
        )

    @torch.no_grad()
    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        inputs = self.inputs(cohort)
        rows = measured(inputs)
        result = np.full((len(cohort), len(self.classes_)), 1 / len(self.classes_))  # nobody measured: no opinion
        if len(rows):
            result[rows] = Subjects(inputs)(self.network_, torch.as_tensor(rows)).double().softmax(1).numpy()
        return result

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return modalities(self.views_, self.signals)

    def inputs(self, cohort: Cohort) -> dict[str, Graphs | Rows]:
        """What the network reads of these subjects, by role."""
        return apply_views(self.views_, self.signals, cohort)

    def build_network(self) -> Ensemble:
        """Networks of the shape that was fitted, with fresh weights."""
        return Ensemble(self._network() for _ in range(self.members))

    def _network(self) -> nn.Module:
        return self.network(self.shapes_, len(self.classes_), **(self.options or {}))

    def _prepared(self, inputs: Mapping[str, Graphs | Rows]) -> nn.Module:
        network = self._network()
        if hasattr(network, "prepare"):
            network.prepare(inputs)
        return network
