"""PopulationSystem: a network over people as nodes, whose graphs stand or are learned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from torch import Tensor, nn

from graphfuse._check import check_option
from graphfuse.cohort import Cohort
from graphfuse.errors import LeakageError
from graphfuse.estimators.base import CohortClassifier, layout
from graphfuse.estimators.ensemble import Ensemble, train_ensemble
from graphfuse.estimators.nested import NestedViews
from graphfuse.estimators.population_classifier import default_same
from graphfuse.estimators.training import Recipe
from graphfuse.estimators.views import (
    PHENOTYPES,
    apply_views,
    early_split,
    fit_views,
    measured,
    modalities,
    places,
    shapes,
)
from graphfuse.graph.agreement import Agreement
from graphfuse.graph.graphs import Graphs
from graphfuse.graph.hypergraph import PopulationHypergraph
from graphfuse.graph.rows import Rows
from graphfuse.nn.population import Population

EVERYTHING = "all"  # the name of a graph made of all roles side by side


@dataclass(frozen=True, eq=False)
class Everybody:
    """A population whose nodes are classified together: ``network(population)[rows]``.

    Parameters
    ----------
    population : Population
    """

    population: Population

    def __call__(self, network: nn.Module, rows: Tensor) -> Tensor:
        """Logits (B, C) of some rows."""
        return network(self.population)[rows]

    def loss(self, network: nn.Module, rows: Tensor, codes: Tensor) -> Tensor:
        """The network's own loss, of which labelled rows may be part."""
        return network.loss(self.population, rows, codes)


class PopulationSystem(NestedViews, CohortClassifier):
    """Classify people as nodes of graphs among them: views, graphs, a network, a recipe.

    Every published system that joins subjects is one of these; see `graphfuse.systems`. Somebody without any of the
    modalities is no node, and gets no opinion. Inductive by default: the
    network is trained among the training subjects; new ones are attached, hear the fitted ones and are heard by nobody,
    so that a prediction depends on no other new subject. ``fit(cohort, y, unlabelled=test)`` is the transductive door.

    Parameters
    ----------
    views : dict of str to view
        Role -> how the input of this name is made, see `SubjectSystem`.
    network : callable
        ``(shapes, n_classes, **options) -> Module`` with ``forward(population: Population) -> logits (N, C)``; where it
        also has ``loss(population, rows, codes) -> scalar``, training minimises that in place of the cross-entropy of
        the rows, and where it has ``prepare(population)``, it sees the population once before it is trained. The row of
        an attached person must not reach a fitted one: listen to ``population.candidates`` alone, normalise by rows.
    options : dict or None
        Keyword arguments of `network`.
    graphs : dict of str to PopulationGraph or None
        Graphs that stand: the name is the role whose vectors are compared, or ``all`` for all of them side by side.
    same, within
        Phenotypes on which people may agree, as in `PopulationGraph`, for ``population.agreement``. ``same=None``: the
        site and the confounds that are categories (text, or two values such as a coded sex).
    traits : PhenotypeView or None
        Phenotypes as numbers, for networks that learn from them whom to join.
    signals, learning_rate, weight_decay, epochs, patience, validation, members, random_state
        As in `SubjectSystem`; a step sees everybody.
    transductive : bool
        Ask `cross_validate` to hand over the test subjects, without labels, as `unlabelled`.

    Attributes
    ----------
    views_, graphs_, agreement_, traits_ : fitted parts
    people_, people_traits_ : inputs by role and traits of the fitted people
    unlabelled_ : ids of the people taken in without labels
    network_ : Ensemble of networks
    """

    uses_y = True

    def __init__(
        self,
        views=None,
        network: Callable[..., nn.Module] | None = None,
        options=None,
        graphs=None,
        same=None,
        within=None,
        traits=None,
        signals=None,
        transductive=False,
        learning_rate=5e-3,
        weight_decay=1e-2,
        epochs=300,
        patience=30,
        validation=0.15,
        members=1,
        random_state=0,
    ):
        self.views = views
        self.network = network
        self.options = options
        self.graphs = graphs
        self.same = same
        self.within = within
        self.traits = traits
        self.signals = signals
        self.transductive = transductive
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.validation = validation
        self.members = members
        self.random_state = random_state

    @property
    def scope(self) -> str:
        """``features`` when it is transductive, else ``training``."""
        return "features" if self.transductive or getattr(self, "unlabelled_", ()) else "training"

    @property
    def phenotypes_read(self) -> tuple[str, ...]:
        """The columns that edges and traits of the fitted model are made of."""
        read = [*self.agreement_.phenotypes_read, *(getattr(self.traits_, "columns_", ()))]
        read += [name for graph in self.graphs_.values() for name in _read_by(graph)]
        read += [name for view in self.views_.values() for name in getattr(view, "columns_", ())]
        return tuple(dict.fromkeys(read))

    def _fit(self, cohort: Cohort, codes: np.ndarray, unlabelled: Cohort | None = None) -> None:
        split = early_split(self.views or {}, self.signals, cohort, codes, self.validation, self.random_state)
        self.views_ = fit_views(self.views or {}, self.signals, cohort, codes, split)
        rows = self._measured(cohort)
        cohort, codes = cohort[rows], codes[rows]
        people = self._with_unlabelled(cohort, unlabelled)
        phenotypes = pd.concat([part.phenotypes for part in people])
        self.people_ = self._inputs(people)
        self.agreement_ = self._agreement(cohort).fit(phenotypes)
        self.traits_ = None if self.traits is None else clone(self.traits).fit(cohort)
        self.people_traits_ = self._traits(people)
        self.graphs_ = {name: self._graph(name, phenotypes, cohort) for name in self.graphs or {}}
        population = self.population()
        self.shapes_ = shapes(self.people_) | {PHENOTYPES: tuple(self.people_traits_.shape[1:])}
        self.network_, self.history_ = train_ensemble(
            lambda: self._prepared(population),
            Everybody(population),
            codes,
            cohort.groups,
            Recipe.of(self),
            self.random_state,
            places(split, rows),
        )

    def population(self) -> Population:
        """The fitted people as the network is trained on them."""
        graphs = {name: graph.adjacency() for name, graph in self.graphs_.items()}
        count = len(self.people_traits_)
        return Population(self.people_, graphs, self.agreement_.matrix(), self.people_traits_, count)

    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        rows = self._measured(cohort)
        result = np.full((len(cohort), len(self.classes_)), 1 / len(self.classes_))  # nobody measured: no opinion
        if len(rows):
            result[rows] = self._among_people(cohort[rows])
        return result

    @torch.no_grad()
    def _among_people(self, cohort: Cohort) -> np.ndarray:
        """Nodes of the fitted population are read off it, everybody else is attached to it."""
        everybody = self.network_(self._attached(cohort)).double().softmax(1).numpy()
        n = len(self.people_traits_)
        node = pd.Index(self.unlabelled_, dtype=object).get_indexer(cohort.subjects)
        first = n - len(self.unlabelled_)  # the unlabelled nodes come last
        return everybody[np.where(node >= 0, first + node, n + np.arange(len(cohort)))]

    def _attached(self, cohort: Cohort) -> Population:
        """The fitted people and these, who hear them."""
        new = self._inputs([cohort])
        graphs = {
            name: graph.attach(*_material(graph, name, new, cohort.phenotypes)) for name, graph in self.graphs_.items()
        }
        inputs = {role: _joined([self.people_[role], new[role]]) for role in new}
        traits = torch.cat([self.people_traits_, self._traits([cohort])])
        return Population(inputs, graphs, self.agreement_.attached(cohort.phenotypes), traits, len(self.people_traits_))

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return modalities(self.views_, self.signals)

    def build_network(self) -> Ensemble:
        """Networks of the shape that was fitted, with fresh weights."""
        return Ensemble(self._network() for _ in range(self.members))

    def _network(self) -> nn.Module:
        return self.network(self.shapes_, len(self.classes_), **(self.options or {}))

    def _prepared(self, population: Population) -> nn.Module:
        network = self._network()
        if hasattr(network, "prepare"):
            network.prepare(population)
        return network

    def _measured(self, cohort: Cohort) -> np.ndarray:
        """Rows of the people who have one role at least."""
        return measured(self._inputs([cohort]))

    def _inputs(self, people: list[Cohort]) -> dict[str, Graphs | Rows]:
        read = [apply_views(self.views_, self.signals, part) for part in people]
        return {role: _joined([inputs[role] for inputs in read]) for role in read[0]}

    def _traits(self, people: list[Cohort]) -> Tensor:
        if self.traits_ is None:
            return torch.zeros(sum(map(len, people)), 0)
        return torch.cat([self.traits_.transform(part).x for part in people])

    def _agreement(self, cohort: Cohort) -> Agreement:
        agreement = Agreement(default_same(cohort) if self.same is None else self.same, self.within)
        cohort.check_columns(agreement.phenotypes_read, "The population graph")
        return agreement

    def _graph(self, name: str, phenotypes: pd.DataFrame, cohort: Cohort):
        check_option("a graph of the population", name, (EVERYTHING, *self.people_))
        graph = clone(self.graphs[name])
        graph = graph.set_params(same=default_same(cohort)) if getattr(graph, "same", ()) is None else graph
        cohort.check_columns(_read_by(graph), "The population graph")
        return graph.fit(*_material(graph, name, self.people_, phenotypes))

    def _with_unlabelled(self, cohort: Cohort, unlabelled: Cohort | None) -> list[Cohort]:
        """The people of the population, labelled ones first, others in an order of their own."""
        self.unlabelled_ = ()
        if unlabelled is None or not len(unlabelled):
            return [cohort]
        unlabelled = unlabelled[np.argsort(unlabelled.subjects.to_numpy(object), kind="stable")].blind()
        shared = len(cohort.subjects.intersection(unlabelled.subjects))
        if shared:
            raise LeakageError(
                f"unlabelled must hold nobody of the training subjects; {shared} ids stand in both. Their labels would "
                "reach their own nodes: leave them out of one."
            )
        self.layout_ = {name: layout(cohort.signals[name]) for name in self._modalities(cohort)}
        self._check_layout(unlabelled)
        unlabelled = unlabelled[self._measured(unlabelled)]
        self.unlabelled_ = tuple(unlabelled.subjects)
        return [cohort, unlabelled]


def _read_by(graph) -> tuple[str, ...]:
    """The columns that edges are made of; none of a hypergraph's."""
    return getattr(graph, "phenotypes_read", ())


def _material(graph, name: str, inputs: Mapping[str, Graphs | Rows], phenotypes: pd.DataFrame) -> tuple:
    """What a graph is built of: vectors and phenotypes, or, for a hypergraph, every role and who has it."""
    if isinstance(graph, PopulationHypergraph):
        vectors = {role: value.x.flatten(1) for role, value in inputs.items()}
        return vectors, {role: value.present for role, value in inputs.items()}
    return _vectors(inputs, name), phenotypes


def _vectors(inputs: Mapping[str, Graphs | Rows], name: str) -> Tensor:
    roles = sorted(inputs) if name == EVERYTHING else [name]
    return torch.cat([inputs[role].x.flatten(1) for role in roles], 1)


def _joined(parts: list[Graphs | Rows]) -> Graphs | Rows:
    return parts[0] if len(parts) == 1 else parts[0].followed_by(*parts[1:])
