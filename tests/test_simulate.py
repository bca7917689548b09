from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from graphfuse.errors import InvalidOption
from graphfuse.simulate import simulate_cohort

EDGES = np.triu_indices(100, 1)


def edges_of(cohort):
    """Fisher z of every edge, (N, E)."""
    return np.array([np.arctanh(np.corrcoef(a.T.astype(float))[EDGES]) for a in cohort.signals["fmri"].arrays()])


def held_out_auc(x, y, groups):
    model, score = make_pipeline(StandardScaler(), RidgeClassifier(1e4)), np.zeros(len(y))
    for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(x, y, groups):
        score[test] = model.fit(x[train], y[train]).decision_function(x[test])
    return roc_auc_score(y, score)


def precision_at_ten(x, y, names, planted):
    t = np.zeros((100, 100))
    t[EDGES] = np.abs(ttest_ind(x[y == 1], x[y == 0]).statistic)
    return len(set(np.array(names)[np.argsort(-(t + t.T).sum(1))[:10]]) & set(planted)) / 10


@pytest.mark.parametrize("seed", range(3))
def test_the_effect_can_be_found_and_no_model_knows_more_than_the_oracle(seed):
    simulation = simulate_cohort(200, auc=0.8, seed=seed)
    cohort, x = simulation.cohort, edges_of(simulation.cohort)
    assert simulation.oracle_auc == pytest.approx(roc_auc_score(cohort.y, simulation.liability))
    assert simulation.oracle_auc == pytest.approx(0.8, abs=0.08)
    assert 0.65 < held_out_auc(x, cohort.y, cohort.groups) < simulation.oracle_auc
    planted = simulation.planted_regions.query("modality == 'fmri'")["region"]
    assert precision_at_ten(x, cohort.y, cohort.signals["fmri"].names, planted) >= 0.8


@pytest.mark.parametrize("seed", range(3))
def test_without_an_effect_models_are_at_chance(seed):
    simulation = simulate_cohort(200, null=True, seed=seed)
    cohort = simulation.cohort
    assert simulation.target_auc == 0.5
    assert 0.38 < held_out_auc(edges_of(cohort), cohort.y, cohort.groups) < 0.62
    assert 0.38 < roc_auc_score(cohort.y, cohort.phenotypes["mean_fd"]) < 0.62


@pytest.mark.parametrize("shared", [0.0, 0.6, 1.0])
def test_the_oracle_has_the_auc_asked_for_however_much_the_modalities_share(shared):
    simulation = simulate_cohort(
        3000, auc=0.75, shared=shared, n_frames=(2, 2), atlas_fmri="harvard-oxford-110", regions=3, missing={}
    )
    assert simulation.oracle_auc == pytest.approx(0.75, abs=0.03)


def test_the_truth_is_ten_regions_a_modality_and_all_their_edges():
    simulation = simulate_cohort(20, regions=10)
    regions = simulation.planted_regions.groupby("modality")["region"].agg(list)
    for modality, signal in simulation.cohort.signals.items():
        assert len(set(regions[modality]) & set(signal.names)) == 10
    edges = simulation.planted_edges
    assert len(edges) == 45
    assert set(edges["region_a"]) | set(edges["region_b"]) == set(regions["fmri"])


def test_sites_motion_and_missing_modalities_are_as_asked():
    simulation = simulate_cohort(400, n_sites=3, motion=1.0, missing={"smri": 0.25, "fmri": 0.1}, n_frames=(30, 50))
    cohort = simulation.cohort
    fmri, smri = (cohort.signals[name] for name in ("fmri", "smri"))
    assert (smri.present.sum(), fmri.present.sum()) == (300, 360)
    assert (smri.present | fmri.present).all()
    frames = {site: set(fmri.length[(cohort.sites == site) & fmri.present]) for site in cohort.sites.unique()}
    assert sorted(next(iter(lengths)) for lengths in frames.values()) == [30, 40, 50]
    assert all(len(lengths) == 1 for lengths in frames.values())
    assert roc_auc_score(cohort.y, cohort.phenotypes["mean_fd"]) == pytest.approx(0.76, abs=0.05)
    assert smri.columns[:3] == ("thickness", "area", "volume")
    counts = np.unique(cohort.sites, return_counts=True)[1]
    assert np.ptp(counts) <= 2


def test_repeated_scans_and_siblings_share_class_and_group():
    cohort = simulate_cohort(120, repeats=0.2, families=0.4, n_frames=(30, 30)).cohort
    table = cohort.phenotypes
    assert table["person"].nunique() == 100
    assert table["family"].nunique() == 80
    assert (table.groupby("family")["diagnosis"].nunique() == 1).all()
    assert (table.groupby("family")["site"].nunique() == 1).all()
    assert (table.groupby("person")["family"].nunique() == 1).all()
    assert len(np.unique(cohort.groups)) == 80


def test_scans_of_one_person_are_alike_and_siblings_half_as_much():
    simulation = simulate_cohort(150, repeats=0.5, families=0.5, site_offset=0, n_sites=1, missing={}, motion=0)
    table, x = simulation.cohort.phenotypes, edges_of(simulation.cohort)
    likeness = np.corrcoef(x - x.mean(0))
    person, family = (table[c].to_numpy()[:, None] == table[c].to_numpy() for c in ("person", "family"))
    np.fill_diagonal(family, False)
    twice, siblings, strangers = (likeness[who].mean() for who in (person & family, family & ~person, ~family))
    assert twice > siblings + 0.05
    assert siblings > strangers + 0.05


def test_equal_seeds_give_equal_cohorts():
    first, again, other = (simulate_cohort(12, seed=s, n_frames=(30, 30)).cohort for s in (1, 1, 2))
    assert np.array_equal(first.signals["fmri"].data, again.signals["fmri"].data)
    assert first.phenotypes.equals(again.phenotypes)
    assert not np.array_equal(first.signals["fmri"].data, other.signals["fmri"].data)


def test_a_leak_column_is_there_only_when_asked_for():
    assert "ados_like" not in simulate_cohort(12, n_frames=(30, 30)).cohort.phenotypes
    cohort = simulate_cohort(100, leak_column=True, n_frames=(30, 30)).cohort
    assert roc_auc_score(cohort.y, cohort.phenotypes["ados_like"]) > 0.95


def test_one_modality_and_another_atlas():
    simulation = simulate_cohort(12, modalities=["smri"], atlas_smri="destrieux-148", auc=0.7)
    assert list(simulation.cohort.signals) == ["smri"]
    assert simulation.cohort.signals["smri"].n_regions == 148
    assert simulation.cohort.has("smri").all()
    assert len(simulation.planted_edges) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_subjects": 3}, {"auc": 1.2}, {"auc": 0.4}, {"regions": 101}, {"modalities": []}, {"modalities": ["eeg"]},
        {"missing": {"eeg": 0.1}}, {"missing": {"smri": 0.6, "fmri": 0.6}}, {"n_frames": (200, 100)}, {"repeats": 2},
        {"atlas_fmri": "schaefer-1000"}, {"shared": -1}, {"n_sites": 0},
    ],
)  # fmt: skip
def test_impossible_cohorts_are_refused(wrong):
    with pytest.raises(InvalidOption):
        simulate_cohort(**{"n_subjects": 12, **wrong})


def test_a_cross_modal_effect_is_in_no_modality_alone():
    simulation = simulate_cohort(300, auc=0.9, cross_modal=True, motion=0, missing={}, seed=0)
    assert simulation.oracle_auc == pytest.approx(0.9, abs=0.04)
    with pytest.raises(InvalidOption, match="two modalities"):
        simulate_cohort(20, cross_modal=True, modalities=("fmri",))
