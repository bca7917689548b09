from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import graphfuse as gf
from graphfuse.errors import GraphFuseWarning, InvalidOption
from graphfuse.explain import contributions, edge_importance, importance_checks, network_importance, region_importance


@pytest.fixture(scope="module")
def importance(result) -> pd.DataFrame:
    return region_importance(result)


def test_one_row_a_region_of_each_modality(importance):
    columns = ["model", "region", "modality", "mean", "sd", "rank", "stability", "network", "hemisphere", "x", "y", "z"]
    assert list(importance) == columns
    assert importance.groupby("modality").size().to_dict() == {"fmri": 8, "smri": 6}
    assert list(importance["rank"]) == list(range(1, 15))
    assert importance["mean"].is_monotonic_decreasing
    assert importance["model"].eq("toy").all()


def test_importances_sum_to_one_and_are_finite(importance):
    assert importance["mean"].sum() == pytest.approx(1)
    assert np.isfinite(importance[["mean", "sd", "stability"]]).all(axis=None)
    assert importance["mean"].ge(0).all()


def test_planted_regions_lead_their_modality(importance):
    leading = {name: list(part["region"]) for name, part in importance.groupby("modality")}
    assert set(leading["fmri"][:4]) == {"r1", "r2", "r4", "r5"}
    assert leading["smri"][0] == "region 3"
    assert importance.attrs["icc"] > 0.4


def test_equals_contributions_fold_by_fold(result, importance):
    wanted = []
    for (_, _, fold), model in result.fitted.items():
        part = result.folds[(result.folds["fold"] == fold) & (result.folds["role"] == "test")]
        rows = [list(result.cohort.subjects).index(subject) for subject in part["subject"]]
        found = contributions(model, result.cohort[rows])
        weight = max(found["fmri"].total, 0) / sum(max(f.total, 0) for f in found.values())
        wanted.append(weight * found["fmri"].by_region() / found["fmri"].magnitude)
    part = importance[importance["modality"] == "fmri"].set_index("region").loc[[f"r{i}" for i in range(8)]]
    np.testing.assert_allclose(part["mean"], np.mean(wanted, axis=0), atol=1e-9)
    np.testing.assert_allclose(part["sd"], np.std(wanted, axis=0, ddof=1), atol=1e-9)


def test_places_come_from_the_atlas_or_are_unknown(importance):
    row = importance.set_index("region").loc["r5"]
    assert (row["x"], row["z"], row["network"]) == (5.0, 1.0, "B")
    smri = importance[importance["modality"] == "smri"]
    assert smri[["x", "y", "z"]].isna().all(axis=None)
    assert smri["network"].eq("").all()


def test_labels_of_the_test_subjects_are_not_needed(result, importance):
    blinded = replace(result, cohort=result.cohort.blind())
    pd.testing.assert_frame_equal(region_importance(blinded), importance)


def test_edges_carry_the_sign_of_their_effect(result):
    edges = edge_importance(result)
    pairs = {frozenset(pair): mean for *pair, mean in edges[["region_a", "region_b", "mean"]].to_numpy()[:2]}
    assert pairs[frozenset({"r1", "r2"})] > 0
    assert pairs[frozenset({"r4", "r5"})] < 0
    assert edges["mean"].abs().is_monotonic_decreasing
    assert edges["modality"].eq("fmri").all()  # the connectome, though smri has edges too
    assert edges.loc[0, ["xa", "xb"]].tolist() == [float(name[1:]) for name in edges.loc[0, ["region_a", "region_b"]]]


def test_edges_of_another_modality(result):
    edges = edge_importance(result, modality="smri")
    assert edges["modality"].eq("smri").all()
    with pytest.raises(InvalidOption, match="modality"):
        edge_importance(result, modality="pet")


def test_networks_add_their_regions_up(importance):
    networks = network_importance(importance)
    assert networks["mean"].sum() == pytest.approx(1)
    wanted = importance[(importance["modality"] == "fmri") & (importance["network"] == "A")]["mean"].sum()
    row = networks[networks["network"] == "A"].iloc[0]
    assert (row["mean"], row["regions"]) == (pytest.approx(wanted), 4)
    assert networks.loc[networks["modality"] == "smri", "network"].tolist() == ["none"]


def test_which_model_is_explained(result):
    with pytest.raises(InvalidOption, match="model must be one of toy"):
        region_importance(result, model="other")
    with pytest.raises(InvalidOption, match="No fitted FusionClassifier"):
        region_importance(replace(result, fitted={}))


def test_folds_that_disagree_are_called_out(result):
    shuffled = dict(zip(result.fitted, map(_random_network, range(4), result.fitted.values()), strict=True))
    with pytest.warns(GraphFuseWarning, match="agree little"):
        table = region_importance(replace(result, fitted=shuffled))
    assert table.attrs["icc"] < 0.4


def _random_network(seed: int, model):
    """The model with weights that never saw the data (Adebayo et al. 2018)."""
    import torch
    from sklearn.base import clone

    other = clone(model)
    other.__dict__.update(model.__dict__)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        other.network_ = model.build_network().eval()
    return other


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The folds agree little")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_regions_of_the_simulated_cohort_lead(seed):
    simulation = gf.simulate_cohort(240, auc=0.83, seed=seed)
    assert simulation.oracle_auc <= 0.85
    assert _precision_at_10(simulation, simulation.cohort) >= 0.8


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The folds agree little")
def test_with_permuted_labels_no_region_leads():
    simulation = gf.simulate_cohort(240, auc=0.83, seed=0)
    phenotypes = simulation.cohort.phenotypes.copy()
    phenotypes["diagnosis"] = np.random.default_rng(0).permutation(phenotypes["diagnosis"])
    assert _precision_at_10(simulation, replace(simulation.cohort, phenotypes=phenotypes)) <= 0.4


@pytest.fixture(scope="module")
def large():
    simulation = gf.simulate_cohort(400, auc=0.8, modalities=("fmri",), seed=0)
    model = gf.FusionClassifier(members=2)
    return simulation, gf.cross_validate(model, simulation.cohort, gf.Splits(folds=3), baselines="none")


@pytest.mark.slow
def test_of_400_people_the_first_twelve_edges_are_planted(large):
    simulation, result = large
    planted = set(map(frozenset, simulation.planted_edges[["region_a", "region_b"]].to_numpy()))  # 45 of 4950
    first = map(frozenset, edge_importance(result).head(12)[["region_a", "region_b"]].to_numpy())
    assert np.mean([edge in planted for edge in first]) >= 0.8


@pytest.mark.slow
def test_of_400_people_every_check_passes(large):
    table = importance_checks(large[1]).table.set_index("check")
    assert table.loc["random weights", "value"] < 0.2
    assert table.loc[["stability over folds", "random weights", "faithfulness"], "passed"].all()


def _precision_at_10(simulation, cohort) -> float:
    result = gf.cross_validate(gf.FusionClassifier(), cohort, gf.Splits(folds=4), baselines="none")
    first = region_importance(result).head(10)
    planted = set(simulation.planted_regions[["modality", "region"]].itertuples(index=False, name=None))
    return float(
        np.mean([pair in planted for pair in first[["modality", "region"]].itertuples(index=False, name=None)])
    )
