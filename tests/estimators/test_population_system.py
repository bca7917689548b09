from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import graphfuse as gf
from graphfuse.errors import LeakageError
from graphfuse.estimators.population_system import PopulationSystem, default_same
from graphfuse.estimators.vector_view import PhenotypeView, VectorView


class Neighbours(nn.Module):
    """Logits of the mean over the neighbours of a standing graph, beside one's own."""

    def __init__(self, shapes, n_classes):
        super().__init__()
        self.shapes = shapes
        self.linear = nn.Linear(2 * (shapes["fmri"][0] + shapes["smri"][0]), n_classes)

    def forward(self, population):
        near = population.graphs["all"].normalised("row") @ population.x[None]
        return self.linear(torch.cat([population.x, near[0]], 1))


class Keeper(Neighbours):
    """Keeps the last population that it was shown, and the rows of its own loss."""

    shown, rows = [], []

    def forward(self, population):
        self.shown[:] = [population]
        return super().forward(population)

    def loss(self, population, rows, codes):
        self.rows[:] = [rows]
        return nn.functional.cross_entropy(self(population)[rows], codes)


def system(network=Neighbours, **parameters) -> PopulationSystem:
    views = {"fmri": VectorView(components=8), "smri": VectorView(components=8)}
    graphs = {"all": gf.PopulationGraph(same=None, neighbours=5)}
    return PopulationSystem(views, network, graphs=graphs, **{"epochs": 10, **parameters})


def test_new_people_are_heard_by_nobody(train, test):
    model = system().fit(train)
    np.testing.assert_allclose(model.predict_proba(test)[:3], model.predict_proba(test[:3]), atol=1e-6)


def test_the_rows_of_fitted_people_stay_when_new_ones_are_attached(train, test):
    model = system(Keeper).fit(train)
    before = model.population()
    model.predict_proba(test)
    after, n = Keeper.shown[0], len(train)
    assert after.fitted == n
    assert len(after) == n + len(test)
    assert torch.equal(after.graphs["all"].to_dense()[0, :n, :n], before.graphs["all"].to_dense()[0])
    assert torch.equal(after.agreement[:n, :n], before.agreement)
    assert not after.agreement[:, n:].any()
    assert not after.candidates[0, :n, n:].any()


def test_agreement_and_traits_come_from_phenotypes(train):
    model = system(traits=PhenotypeView()).fit(train)
    population = model.population()
    site, sex = train.phenotypes["site"].to_numpy(), train.phenotypes["sex"].to_numpy()
    order = np.argsort(train.subjects.to_numpy(object), kind="stable")
    site, sex = site[order], sex[order]
    expected = (site[:, None] == site) * 1.0 + (sex[:, None] == sex)
    np.fill_diagonal(expected, 0)
    assert np.array_equal(population.agreement, expected)
    assert population.traits.shape[1] > 2
    assert set(model.phenotypes_read) == {"site", "sex", "age", "mean_fd"}
    assert default_same(train) == ("site", "sex")


def test_a_sex_that_is_coded_by_two_numbers_is_compared_and_a_quantity_is_not(train):
    coded = train.phenotypes.assign(sex=(train.phenotypes["sex"] == train.phenotypes["sex"].iloc[0]) + 1)
    assert default_same(replace(train, phenotypes=coded)) == ("site", "sex")
    counted = coded.assign(sex=np.arange(len(coded)) % 3)
    assert default_same(replace(train, phenotypes=counted)) == ("site",)


def test_training_sees_labelled_rows_alone(train, test):
    model = system(Keeper).fit(train, unlabelled=test)
    assert len(Keeper.shown[0]) == len(train) + len(test)
    assert int(Keeper.rows[0].max()) < len(train)
    assert model.predict_proba(test).shape == (len(test), 2)


def test_the_transductive_door_reads_people_off_the_graph(train, test):
    model = system(transductive=True).fit(train, unlabelled=test)
    inside = model.predict_proba(test)
    assert model.scope == "features"
    np.testing.assert_array_equal(model.predict_proba(test[[4, 2]]), inside[[4, 2]])
    with pytest.raises(LeakageError, match="stand in both"):
        system().fit(train, unlabelled=train[:3])


def test_a_graph_of_an_unknown_role_is_refused(train):
    with pytest.raises(gf.GraphFuseError, match="a graph of the population"):
        system().set_params(graphs={"pet": gf.PopulationGraph()}).fit(train)


def test_somebody_without_a_modality_is_no_node_and_gets_no_opinion(train, test):
    def without(cohort, rows):
        gone = np.isin(np.arange(len(cohort)), rows)
        signals = {name: replace(s, length=np.where(gone, 0, s.length)) for name, s in cohort.signals.items()}
        return replace(cohort, signals=signals)

    model = system().fit(without(train, [0, 1]))
    assert len(model.population()) == len(train) - 2
    p = model.predict_proba(without(test, [3]))
    np.testing.assert_allclose(p[3], 0.5)
    np.testing.assert_allclose(np.delete(p, 3, 0), np.delete(model.predict_proba(test), 3, 0), atol=1e-6)
