"""Multilayer perceptron on feature vectors: what a network does without a graph."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from graphfuse.cohort import Cohort
from graphfuse.estimators.adjusting import scope_of
from graphfuse.estimators.ensemble import Course, Ensemble
from graphfuse.estimators.features import CohortVector
from graphfuse.estimators.inputs import Vectors
from graphfuse.estimators.together import CourseClassifier
from graphfuse.estimators.training import Recipe
from graphfuse.nn.dropout import Dropout


class MLP(CourseClassifier):
    """One hidden layer on the modalities' vectors side by side; trained exactly as `FusionClassifier` is.

    Parameters
    ----------
    signals, features, adjust, impute
        As in `Ridge`.
    hidden : int
        Width of the hidden layer.
    dropout, learning_rate, weight_decay, epochs, patience, batch_size, validation, members, random_state
        As in `FusionClassifier`.
    """

    uses_y = True

    def __init__(
        self,
        signals=None,
        features="auto",
        hidden=32,
        dropout=0.3,
        learning_rate=1e-3,
        weight_decay=1e-2,
        epochs=100,
        patience=15,
        batch_size=64,
        validation=0.15,
        members=3,
        random_state=0,
        adjust=None,
        impute=None,
    ):
        self.signals = signals
        self.features = features
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.validation = validation
        self.members = members
        self.random_state = random_state
        self.adjust = adjust
        self.impute = impute

    @property
    def scope(self) -> str:
        """``features`` when a step of `adjust` reads the features of new subjects together, else ``training``."""
        return scope_of(self.adjust)

    def _course(self, cohort: Cohort, codes: np.ndarray) -> Course:
        self.vector_ = CohortVector(
            self.signals, self.features, standardise=True, adjust=self.adjust, impute=self.impute
        )
        X = torch.as_tensor(self.vector_.fit_transform(cohort, codes))
        self.in_channels_ = X.shape[1]
        return Course(self._network, Vectors(X), codes, cohort.groups, Recipe.of(self), self.random_state)

    def _modalities(self, cohort: Cohort) -> Iterable[str]:
        return self.vector_.parts_

    def build_network(self) -> Ensemble:
        """Networks of the shape that was fitted, with fresh weights."""
        return Ensemble(self._network() for _ in range(self.members))

    def _network(self) -> nn.Module:
        return nn.Sequential(
            Dropout(self.dropout),
            nn.Linear(self.in_channels_, self.hidden),
            nn.ReLU(),
            Dropout(self.dropout),
            nn.Linear(self.hidden, len(self.classes_)),
        )

    @torch.no_grad()
    def _predict_proba(self, cohort: Cohort) -> np.ndarray:
        X = torch.as_tensor(self.vector_.transform(cohort))
        return self.network_(X).softmax(1).numpy()
