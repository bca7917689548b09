from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.evaluate.fusion_models import LEADING, fusion_models
from graphfuse.fusion import FUSIONS
from graphfuse.fusion.output import OUTPUTS


@pytest.fixture(scope="module")
def cohort():
    return gf.simulate_cohort(40, n_frames=(60, 60), seed=0).cohort


def test_every_fusion_has_a_name(cohort):
    names = fusion_models(cohort)
    assert {f"fusion-{name}" for name in FUSIONS} <= set(names)
    assert {f"late-{rule}" for rule in OUTPUTS} <= set(names)
    assert set(LEADING) <= set(names)


def test_one_modality_has_nothing_to_fuse(cohort):
    assert fusion_models(replace(cohort, signals={"smri": cohort.signals["smri"]})) == {}


def test_a_fusion_of_two_is_not_offered_for_three(cohort):
    matrix = gf.Signal.pack("connectivity", list(np.ones((len(cohort), 4, 4))))
    names = fusion_models(replace(cohort, signals={**cohort.signals, "dti": matrix}))
    assert "fusion-co-attention" not in names
    assert "fusion-cross" in names


@pytest.mark.parametrize(
    "name", ["fusion-outer", "fusion-interaction", "fusion-bottleneck", "hierarchical", "mkl-easy"]
)
def test_a_fusion_by_name_fits_and_answers(cohort, name):
    model = fusion_models(cohort)[name]
    if "epochs" in model.get_params():
        model.set_params(epochs=2)
    assert np.isfinite(model.fit(cohort[:30]).predict_proba(cohort[30:])).all()
