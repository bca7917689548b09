from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

import graphfuse as gf
from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.estimators.vector_view import VectorView


class Linear(nn.Module):
    """All inputs side by side, one linear map; counts what it was shown."""

    def __init__(self, shapes, n_classes, scale=1.0):
        super().__init__()
        self.linear = nn.Linear(sum(int(np.prod(shape)) for shape in shapes.values()), n_classes)
        self.scale = scale
        self.register_buffer("seen", torch.zeros(()))

    def prepare(self, inputs):
        self.seen.fill_(len(inputs["fmri"]))

    def forward(self, inputs):
        return self.scale * self.linear(torch.cat([inputs[role].x.flatten(1) for role in sorted(inputs)], 1))


class Penalised(Linear):
    """Adds a penalty that outweighs the data."""

    def loss(self, inputs, codes):
        return nn.functional.cross_entropy(self(inputs), codes) + 100 * self.linear.weight.square().sum()


VIEWS = {"fmri": gf.FunctionalGraph(), "smri": VectorView()}


def test_it_learns_and_answers_for_everybody(train, test):
    model = SubjectSystem(VIEWS, Linear, epochs=20).fit(train)
    p = model.predict_proba(test)
    assert p.shape == (len(test), 2)
    assert model.score(train) > 0.9


def test_the_networks_own_loss_is_what_training_minimises(train):
    free, bound = (
        SubjectSystem(VIEWS, kind, learning_rate=0.01, epochs=20, patience=20).fit(train)
        for kind in (Linear, Penalised)
    )
    sizes = [model.network_.members[0].linear.weight.square().sum() for model in (free, bound)]
    assert sizes[1] < sizes[0] / 10


def test_prepare_sees_the_training_subjects_once(train):
    model = SubjectSystem(VIEWS, Linear, epochs=1).fit(train)
    assert model.network_.members[0].seen == len(train)


def test_options_reach_the_network_and_members_are_averaged(train, test):
    model = SubjectSystem(VIEWS, Linear, {"scale": 0.0}, epochs=1, members=2).fit(train)
    assert len(model.network_.members) == 2
    np.testing.assert_allclose(model.predict_proba(test), 0.5)


def test_a_grid_reaches_into_the_views():
    model = SubjectSystem(VIEWS, Linear)
    assert model.set_params(views__smri__components=5).get_params()["views__smri__components"] == 5
    model.set_params(views__smri__components=None)


def test_nobody_measured_is_no_opinion(train, test):
    model = SubjectSystem({"fmri": VectorView()}, Linear, epochs=1).fit(train)
    nobody = replace(test.signals["fmri"], length=np.zeros(len(test), int))
    np.testing.assert_allclose(model.predict_proba(replace(test, signals={**test.signals, "fmri": nobody})), 0.5)
