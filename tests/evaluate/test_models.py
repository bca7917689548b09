from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.errors import InvalidOption
from graphfuse.evaluate.fusion_models import LEADING, fusion_models
from graphfuse.evaluate.models import baselines, controls, graph_models, models_by_name

NAMES = [
    "majority", "confounds", "ridge-correlation-fmri", "ridge-tangent-fmri", "ridge-smri", "mean-of-ridges",
    "svm-correlation-fmri", "mlp", "fusion", "fusion-no-edges", "fusion-shuffled-edges", "population",
    "population-transductive",
]  # fmt: skip


@pytest.fixture(scope="module")
def cohort():
    return gf.simulate_cohort(30, n_frames=(30, 30), seed=0).cohort


def test_the_models_have_the_names_of_the_command_line(cohort):
    assert list(models_by_name(cohort, ["default"])) == NAMES
    assert list(models_by_name(cohort, ["all"])) == [*NAMES, *LEADING]
    assert list(models_by_name(cohort, ["fusions"])) == list(fusion_models(cohort))
    assert list(models_by_name(cohort, ["mlp", "ridge-smri"])) == ["mlp", "ridge-smri"]
    with pytest.raises(InvalidOption, match="Did you mean 'fusion'"):
        models_by_name(cohort, ["fusoin"])
    with pytest.raises(InvalidOption, match="No model"):
        models_by_name(cohort, [])


def test_only_models_that_the_cohort_can_feed(cohort):
    bare = replace(cohort, signals={"smri": cohort.signals["smri"]}, site=None, confounds=())
    assert list(baselines(bare)) == ["majority", "ridge-smri", "mlp"]
    nothing = replace(cohort, signals={})
    assert list(baselines(nothing)) == ["majority", "confounds"]
    assert graph_models(nothing) == {}


def test_controls_differ_from_their_model_in_the_edges_alone():
    model = gf.FusionClassifier(hidden=(7,), random_state=5)
    found = controls("mine", model)
    assert list(found) == ["mine-no-edges", "mine-shuffled-edges"]
    for control, edges in zip(found.values(), ("none", "shuffled"), strict=True):
        assert control.get_params() == {**model.get_params(), "edges": edges}
    assert controls("ridge", gf.Ridge()) == {}
    assert controls("any", object()) == {}


def test_a_vector_and_a_matrix_have_a_ridge_each(cohort):
    n = len(cohort)
    matrix = gf.Signal.pack("connectivity", list(np.ones((n, 4, 4))))
    vector = gf.Signal.pack("vector", list(np.ones((n, 20))))
    volume = gf.Signal.pack("volume", list(np.ones((n, 2, 2, 2))))
    names = list(baselines(replace(cohort, signals={"dti": matrix, "eeg": vector, "t1": volume})))
    assert names == ["majority", "confounds", "ridge-dti", "ridge-eeg", "mean-of-ridges", "mlp"]
