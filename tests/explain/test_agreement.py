from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphfuse as gf
from graphfuse.estimators.ensemble import Ensemble
from graphfuse.explain import contributions, fold_icc, importance_stability, region_importance


@pytest.fixture(scope="module")
def table(result):
    return importance_stability(result)


def test_folds_and_seeds_agree_where_regions_are_planted(table):
    assert list(table["over"]) == ["folds", "seeds"]
    assert list(table["n"]) == [4, 3]
    assert table["stable"].all()


def test_over_folds_it_is_the_figure_of_the_importance(result, table):
    assert table["icc"][0] == region_importance(result).attrs["icc"]


def test_over_seeds_each_member_explains_alone(result, table):
    found = []
    for (_, _, fold), model in result.fitted.items():
        part = result.folds[(result.folds["fold"] == fold) & (result.folds["role"] == "test")]
        test = result.cohort[result.cohort.subjects.get_indexer(part["subject"])]
        alone = [contributions(_with_one(model, member), test, 8) for member in model.network_.members]
        icc = {name: fold_icc(np.stack([p[name].by_region() / p[name].magnitude for p in alone])) for name in alone[0]}
        weight = np.mean([_weights(parts) for parts in alone], axis=0)
        found.append(np.dot(weight, list(icc.values())))
    assert table["icc"][1] == pytest.approx(np.mean(found))


def test_equal_members_agree_wholly(result):
    twins = {key: _with_one(model, *[model.network_.members[0]] * 2) for key, model in result.fitted.items()}
    row = importance_stability(replace(result, fitted=twins)).set_index("over").loc["seeds"]
    assert row["icc"] == pytest.approx(1)
    assert row["n"] == 2


def test_random_members_do_not(result):
    strangers = {key: _with_one(model, *model.build_network().members) for key, model in result.fitted.items()}
    row = importance_stability(replace(result, fitted=strangers)).set_index("over").loc["seeds"]
    assert not row["stable"]


def test_one_member_has_nobody_to_agree_with(result):
    single = {key: _with_one(model, model.network_.members[0]) for key, model in result.fitted.items()}
    assert list(importance_stability(replace(result, fitted=single))["over"]) == ["folds"]


def test_repeats_have_a_row_of_their_own(cohort):
    model = gf.FusionClassifier({"fmri": gf.FunctionalGraph()}, hidden=(8,), width=8, epochs=10, members=1)
    result = gf.cross_validate({"toy": model}, cohort, gf.Splits(folds=2, repeats=2), baselines="none")
    table = importance_stability(result, steps=4).set_index("over")
    assert table["n"].to_dict() == {"folds": 4, "repeats": 2}
    assert table["icc"].between(-1, 1).all()


def _weights(parts) -> np.ndarray:
    totals = np.array([max(part.total, 0) for part in parts.values()])
    return totals / totals.sum()


def _with_one(model, *members):
    """The fitted model with these members only."""
    other = gf.FusionClassifier(**model.get_params(deep=False))
    other.__dict__.update(model.__dict__)
    other.network_ = Ensemble(members).eval()
    return other
