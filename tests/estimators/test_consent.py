"""Nobody's features leave the house unasked, however deep inside a model they are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import graphfuse as gf
from graphfuse.errors import GraphFuseError, LeakageError
from graphfuse.estimators.consent import KEEPERS, as_agreed
from graphfuse.estimators.model_file import read_model_file


def population() -> gf.PopulationClassifier:
    return gf.PopulationClassifier(epochs=2, hidden=(4,), components=8, members=1)


def panel() -> dict:
    return {"people": population(), "smri": gf.Ridge(("smri",))}


INSIDE = {
    "late": lambda: gf.LateFusion(panel()),
    "stacking": lambda: gf.Stacking(panel(), folds=3),
    "a panel in a panel": lambda: gf.LateFusion({"inner": gf.LateFusion(panel()), "fmri": gf.Ridge(("fmri",))}),
    "kernels in a panel": lambda: gf.LateFusion({"a": gf.MultipleKernel(), "b": gf.Ridge(("smri",))}),
    "nearest": lambda: gf.Ridge(impute="nearest"),
    "propagation": lambda: gf.MLP(impute="propagation", epochs=2, hidden=4, members=1),
}


@pytest.mark.parametrize("name", INSIDE)
def test_what_keeps_people_inside_a_model_is_refused_until_they_are_agreed_to(name, train, test, tmp_path):
    model = INSIDE[name]().fit(train)
    with pytest.raises(LeakageError, match="include_cohort=True"):
        gf.save_model(model, tmp_path / "m")
    assert not list(tmp_path.iterdir())
    loaded = gf.load_model(gf.save_model(model, tmp_path / "m", include_cohort=True))
    assert np.array_equal(loaded.predict_proba(test), model.predict_proba(test))


def test_prototypes_reach_a_population_inside_a_panel(train, tmp_path):
    model = gf.LateFusion(panel()).fit(train)
    tensors = read_model_file(gf.save_model(model, tmp_path / "m", prototype_size=10)).tensors
    assert all(len(train) not in tensor.shape for tensor in tensors.values())
    whole = read_model_file(gf.save_model(model, tmp_path / "m", include_cohort=True)).tensors
    assert any(len(train) in tensor.shape for tensor in whole.values())
    assert len(gf.load_model(tmp_path / "m").models_["people"].x_) == len(train)


def test_means_of_people_do_not_stand_in_where_a_part_cannot_answer_from_them(train, tmp_path):
    model = gf.LateFusion({"people": population(), "smri": gf.Ridge(impute="nearest")}).fit(train)
    with pytest.raises(LeakageError, match="NearestImputation"):
        gf.save_model(model, tmp_path / "m", prototype_size=10)


def test_a_part_that_keeps_nobody_is_passed_on_as_it_is(fitted):
    for part in (fitted["ridge"], population()):  # the second has seen nobody yet
        assert as_agreed(part, include_cohort=False, prototype_size=None) is part


def test_no_other_model_keeps_a_row_a_person(fitted, train, tmp_path):
    """Of all kinds of model, those that are not in the list hold no tensor as long as the training subjects."""
    for name, model in fitted.items():
        if isinstance(model, KEEPERS) or name == "confounds":
            continue
        tensors = read_model_file(gf.save_model(model, tmp_path / name)).tensors
        assert all(len(train) not in tensor.shape for tensor in tensors.values()), name


def test_a_model_of_means_that_is_fitted_again_keeps_people_again(train, tmp_path):
    model = gf.prototypes(population().fit(train), 10).fit(train)
    with pytest.raises(LeakageError, match="include_cohort=True"):
        gf.save_model(model, tmp_path / "m")


def test_a_graph_that_came_fitted_does_not_travel_with_the_means(train, tmp_path):
    graph = gf.PopulationGraph(same=("site",))
    graph.fit(torch.randn(len(train), 7), train.phenotypes)
    model = gf.PopulationClassifier(graph=graph, epochs=2, hidden=(4,), components=8, members=1).fit(train)
    tensors = read_model_file(gf.save_model(model, tmp_path / "m", prototype_size=10)).tensors
    assert all(len(train) not in tensor.shape for tensor in tensors.values())


def test_a_part_of_a_model_is_no_model(train, tmp_path):
    graph = gf.PopulationGraph(same=("site",)).fit(torch.randn(len(train), 7), train.phenotypes)
    with pytest.raises(GraphFuseError, match="classifier; got a PopulationGraph"):
        gf.save_model(graph, tmp_path / "m")
