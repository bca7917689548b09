"""PopulationClassifier: people are the nodes of one graph, a graph network classifies nodes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from torch import nn

from graphfuse._check import check_range
from graphfuse.cohort import Cohort
from graphfuse.errors import LeakageError
from graphfuse.estimators.adjusting import scope_of
from graphfuse.estimators.base import layout
from graphfuse.estimators.ensemble import Course, Ensemble
from graphfuse.estimators.features import CohortVector
from graphfuse.estimators.inputs import Neighbours, People
from graphfuse.estimators.together import CourseClassifier
from graphfuse.estimators.training import Recipe
from graphfuse.graph.population import PopulationGraph
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.nn.encoder import GraphEncoder


class PopulationNetwork(nn.Module):
    """Graph convolutions over the population and a linear head: ``forward(x (N, F), adjacency) -> logits (N, C)``."""

    def __init__(self, encoder: nn.Module, n_classes: int):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.out_channels, n_classes)

    def forward(self, x: torch.Tensor, adjacency: Adjacency) -> torch.Tensor:
        return self.nodes(x[None], adjacency)[0]

    def nodes(self, x: torch.Tensor, adjacency: Adjacency) -> torch.Tensor:
        """Logits (G, N, C) of the nodes x (G, N, F) of G graphs."""
        return self.head(self.encoder.node_embeddings(x, adjacency))


class PopulationClassifier(CourseClassifier):
    """Classify people as nodes of a population graph.

    Inductive by default: the graph holds the training subjects; a new one is attached alone, listens to them and is
    heard by nobody, so a prediction depends on no other new subject. ``fit(cohort, y, unlabelled=test)`` is the
    transductive door: the unlabelled people are nodes while the network is trained and are predicted inside the graph.

    Parameters
    ----------
    signals, features, adjust, impute
        Node features, as in `Ridge`; the vectors are reduced by a PCA of the training subjects.
    graph : PopulationGraph or None
        None = imaging similarity weighed by agreement in site and in the confounds that are categories (text, or two
        values such as a coded sex), 10 neighbours.
    transductive : bool
        Ask `cross_validate` to hand over the test subjects, without labels, as `unlabelled`.
    components : int
        Most principal components kept.
    conv, hidden, dropout
        See `GraphEncoder`; Chebyshev of order 3 and width 16 as in Parisot et al. 2018. Its first term keeps a
        person's own features apart from the neighbours', which a ``gcn`` averages with them.
    learning_rate, weight_decay, epochs, patience, validation, members, random_state
        See `Recipe`.
    batch_size, fanout : int or None
        None: each step sees the whole graph. Else a step sees so many people and whom they hear, over as many edges as
        the layers reach, at most `fanout` from each person (None: all); for populations beyond memory.

    Attributes
    ----------
    unlabelled_ : ids of the people taken in without labels
    network_ : Ensemble of PopulationNetwork
    graph_ : fitted PopulationGraph
    """

    uses_y = True

    def __init__(
        self,
        signals=None,
        features="auto",
        graph=None,
        transductive=False,
        components=256,
        conv="cheb",
        hidden=(16,),
        dropout=0.3,
        learning_rate=5e-3,
        weight_decay=1e-2,
        epochs=300,
        patience=30,
        validation=0.15,
        members=3,
        random_state=0,
        adjust=None,
        batch_size=None,
        fanout=None,
        impute=None,
    ):
        self.signals = signals
        self.features = features
        self.graph = graph
        self.transductive = transductive
        self.components = components
        self.conv = conv
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.validation = validation
        self.members = members
        self.random_state = random_state
        self.adjust = adjust
        self.batch_size = batch_size
        self.fanout = fanout
        self.impute = impute

    @property
    def scope(self) -> str:
        """``features`` when it is transductive or a step of `adjust` reads the features of new subjects together."""
        return "features" if self.transductive or getattr(self, "unlabelled_", ()) else scope_of(self.adjust)

    def _course(self, cohort: Cohort, codes: np.ndarray, unlabelled: Cohort | None = None) -> Course:
        check_range("components", self.components, 2)
        graph = clone(self.graph or PopulationGraph(same=default_same(cohort)))
        cohort.check_columns((*graph.same, *(graph.within or {})), "The population graph")
        self._fit_features(cohort, codes)
        x, phenotypes = self._nodes(cohort), cohort.phenotypes
        if unlabelled is not None:  # in an order of their own, as the training subjects are
            unlabelled = unlabelled[np.argsort(unlabelled.subjects.to_numpy(object), kind="stable")]
        vars(self).pop("prototype_size_", None)  # from now on its nodes are people again
        self.unlabelled_ = () if unlabelled is None else tuple(unlabelled.subjects)
        if self.unlabelled_:
            self._check_unlabelled(cohort, unlabelled)
            x = torch.cat([x, self._nodes(unlabelled)])
            phenotypes = pd.concat([phenotypes, unlabelled.blind().phenotypes])
        self.graph_ = graph.fit(x, phenotypes)
        self.x_ = x
        return Course(self._network, self._inputs(), codes, cohort.groups, Recipe.of(self), self.random_state)

    def _inputs(self) -> People | Neighbours:
        """What the network reads; labelled people come first."""
        adjacency = self.graph_.adjacency()
        if self.batch_size is None:
            return People(self.x_, adjacency)
        draws = torch.Generator().manual_seed(self.random_state)
        with torch.random.fork_rng(devices=[]):  # its weights are not used
            hops = max(self._network().encoder.hops, 1)
        return Neighbours(self.x_, adjacency.sparse(), hops, self.batch_size, self.fanout, draws)

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return self.vector_.parts_

    def build_network(self) -> Ensemble:
        """Networks of the shape that was fitted, with fresh weights."""
        return Ensemble(self._network() for _ in range(self.members))

    def _network(self) -> PopulationNetwork:
        encoder = GraphEncoder(self.x_.shape[1], self.hidden, conv=self.conv, dropout=self.dropout)
        return PopulationNetwork(encoder, len(self.classes_))

    @torch.no_grad()
    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        """Nodes of the graph are read off it, everybody else is attached to it."""
        new = self._nodes(cohort)
        adjacency = self.graph_.attach(new, cohort.phenotypes)
        everybody = self.network_(torch.cat([self.x_, new]), adjacency).softmax(1).numpy()
        node = pd.Index(self.unlabelled_, dtype=object).get_indexer(cohort.subjects)
        first = len(self.x_) - len(self.unlabelled_)  # the unlabelled nodes come last
        return everybody[np.where(node >= 0, first + node, len(self.x_) + np.arange(len(new)))]

    def _check_unlabelled(self, cohort: Cohort, unlabelled: Cohort) -> None:
        shared = len(cohort.subjects.intersection(unlabelled.subjects))
        if shared:
            raise LeakageError(
                f"unlabelled must hold nobody of the training subjects; {shared} ids stand in both. Their labels would "
                "reach their own nodes: leave them out of one."
            )
        self.layout_ = {name: layout(cohort.signals[name]) for name in self.vector_.parts_}
        self._check_layout(unlabelled)

    def _fit_features(self, cohort: Cohort, codes: np.ndarray) -> None:
        self.vector_ = CohortVector(
            self.signals, self.features, standardise=True, adjust=self.adjust, impute=self.impute
        )
        X = self.vector_.fit_transform(cohort, codes)
        pca = PCA(min(self.components, len(X) - 1, X.shape[1]), random_state=self.random_state)
        with np.errstate(invalid="ignore"):  # shares of no variance, where all features are constant; nobody reads them
            pca.fit(X)
        unit = np.sqrt(pca.explained_variance_.mean().clip(1e-12))  # one scale for all: strong components stay strong
        self.axes_ = (pca.components_ / unit).astype(np.float32)
        self.centre_ = pca.mean_.astype(np.float32)

    def _nodes(self, cohort: Cohort) -> torch.Tensor:
        """Principal components of these subjects, (N, F), each from its own data alone."""
        return torch.as_tensor((self.vector_.transform(cohort) - self.centre_) @ self.axes_.T)


def default_same(cohort: Cohort) -> tuple[str, ...]:
    """What people are compared by unless something else is named: the site and the confounds that are categories."""
    categories = [name for name in cohort.confounds if _is_category(cohort.phenotypes[name])]
    return tuple(dict.fromkeys([*([cohort.site] if cohort.site else []), *categories]))


def _is_category(column: pd.Series) -> bool:
    """Text, or two values: a sex that is coded 1 and 2 is no quantity."""
    return not pd.api.types.is_numeric_dtype(column) or column.nunique() == 2
