from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphfuse.errors import InvalidOption
from graphfuse.explain import faithfulness, importance_checks, importance_stability


@pytest.fixture(scope="module")
def checks(wide):
    return importance_checks(wide)


def test_a_planted_effect_is_stable_and_faithful(checks):
    assert list(checks.table["check"]) == [
        "stability over folds",
        "stability over seeds",
        "random weights",
        "faithfulness",
    ]
    verdict = checks.table.set_index("check")["passed"]
    assert verdict[["stability over folds", "stability over seeds", "faithfulness"]].all()
    assert np.isfinite(checks.table["value"]).all()


def test_figures_are_those_of_the_checks_alone(wide, checks):
    value = checks.table.set_index("check")["value"]
    assert value["stability over seeds"] == importance_stability(wide, seed_steps=4)["icc"][1]
    alone = faithfulness(wide, steps=4, draws=10)
    assert value["faithfulness"] == alone.attrs["area"]
    assert checks.curves.equals(alone)


def test_models_that_learned_nothing_do_not_pass(wide):
    untrained = {key: _random(seed, model) for seed, (key, model) in enumerate(wide.fitted.items())}
    table = importance_checks(replace(wide, fitted=untrained)).table.set_index("check")  # and it does not warn
    assert not table.loc["stability over folds", "passed"]
    assert not table.loc["stability over seeds", "passed"]
    assert not table.loc["faithfulness", "passed"]


def test_without_both_classes_in_a_test_fold_the_others_stand(wide):
    labels = wide.cohort.phenotypes.assign(dx="control")
    checks = importance_checks(replace(wide, cohort=replace(wide.cohort, phenotypes=labels)))
    assert checks.curves is None
    assert len(checks.table) == 3


def test_without_models_there_is_nothing_to_check(wide):
    with pytest.raises(InvalidOption, match="No fitted FusionClassifier"):
        importance_checks(replace(wide, fitted={}))


def _random(seed: int, model):
    import torch

    other = type(model)(**model.get_params(deep=False))
    other.__dict__.update(model.__dict__)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        other.network_ = model.build_network().eval()
    return other
