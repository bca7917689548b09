"""Made-up predictions with known winners."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import graphfuse as gf
from graphfuse.errors import InvalidOption
from graphfuse.evaluate.result import CrossValidation

CLASSES = ("control", "autism")


ESTIMATORS = {
    "ridge": gf.Ridge(),
    "svm": gf.LinearSVM(),
    "fusion": gf.FusionClassifier(),
    "fusion-no-edges": gf.FusionClassifier(edges="none"),
    "fusion-shuffled-edges": gf.FusionClassifier(edges="shuffled"),
}


def made_up(skill: dict[str, float], n=400, folds=10, repeats=1, noise=0.5, single=False) -> CrossValidation:
    """Each model's score is skill * class + noise; the noise is in part common to all."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2 if not single else np.r_[np.zeros(n // 2, int), np.ones(n // 2, int)]
    subjects = [f"s{i:03d}" for i in range(n)]
    fold = np.arange(n) // 2 % folds if not single else np.arange(n) * folds // n
    table = pd.DataFrame({"dx": np.array(CLASSES, object)[y], "site": np.array(["x", "y"])[fold % 2]}, index=subjects)
    cohort = gf.Cohort(table, {}, "dx", CLASSES, site="site")
    rows, common = [], rng.standard_normal(n)
    for name, strength in skill.items():
        for repeat in range(repeats):
            p = 1 / (1 + np.exp(-(strength * (y - 0.5) + noise * (common + 0.3 * rng.standard_normal(n)))))
            part = {
                "model": name,
                "repeat": repeat,
                "fold": fold,
                "subject": subjects,
                "y_true": table["dx"].to_numpy(),
            }
            rows.append(pd.DataFrame({**part, "p_control": 1 - p, "p_autism": p}).sort_values("fold", kind="stable"))
    predictions = pd.concat(rows, ignore_index=True)
    none = pd.DataFrame()
    estimators = {name: ESTIMATORS[name] for name in skill}
    return CrossValidation(cohort, gf.Splits(folds, repeats), predictions, none, none, none, estimators)


EQUAL = {"ridge": 0.7, "svm": 0.4, "fusion": 0.7, "fusion-no-edges": 0.7, "fusion-shuffled-edges": 0.7}


def test_roles_and_the_best_baseline():
    result = made_up(EQUAL)
    assert [result.role(name) for name in EQUAL] == ["baseline", "baseline", "graph", "control", "control"]
    assert result.graph_models() == ["fusion"]
    assert result.best_baseline() == "ridge"
    assert result.best_baseline("brier") == "ridge"  # the smallest, not the largest
    assert made_up({**EQUAL, "ridge": 0.1}).best_baseline("brier") == "svm"
    assert result.model_names == list(EQUAL)
    assert len(result.fold_keys) == 10
    with pytest.raises(InvalidOption, match="metric"):
        result.best_baseline("f1")


def test_the_verdict_on_a_graph_that_helps():
    said = made_up({**EQUAL, "fusion": 3.0}).verdict()
    assert said.startswith("The graph helped fusion (auc +")
    assert said.count("against") == 3
    assert "p = " in said


def test_the_verdict_on_a_graph_that_makes_no_difference():
    assert made_up(EQUAL).verdict().startswith("The graph did not demonstrably help fusion (")


def test_the_verdict_on_a_graph_that_harms():
    said = made_up({**EQUAL, "fusion": -1.0}).verdict()
    assert said.startswith("The graph did not help fusion, which is worse than ridge")


def test_the_verdict_when_only_the_controls_are_beaten():
    said = made_up({"ridge": 3.0, "fusion": 3.0, "fusion-no-edges": 0.0, "fusion-shuffled-edges": 0.0}).verdict()
    assert said.startswith("fusion beats fusion-no-edges, fusion-shuffled-edges but not every comparison")


def test_for_the_brier_score_smaller_is_better():
    good = made_up({**EQUAL, "fusion": 3.0}).verdict("brier")
    assert good.startswith("The graph helped fusion (brier -")
    assert "worse than" in made_up({**EQUAL, "fusion": -2.0}).verdict("brier")


def test_the_verdict_without_a_graph_or_without_anything_to_compare():
    assert made_up({"ridge": 1.0}).verdict() == "No graph model was evaluated."
    assert "nothing can be said" in made_up({"fusion": 1.0}).verdict()


def test_the_table_has_a_row_a_model_and_the_test_against_the_best_baseline():
    result = made_up({**EQUAL, "fusion": 3.0})
    table = result.table()
    assert list(table.index) == list(EQUAL)
    assert table.loc["fusion", "role"] == "graph"
    mean, low, high = result.scores.query("model == 'fusion' and metric == 'auc'")[["mean", "low", "high"]].iloc[0]
    assert table.loc["fusion", "auc"] == f"{mean:.3f} [{low:.3f}, {high:.3f}]"
    assert np.isnan(table.loc["ridge", "p_holm"])  # not tested against itself
    assert table.loc["fusion", "p_holm"] < 0.05
    assert table.loc["fusion", "difference"] > 0
    tests = result.comparisons()
    assert set(tests["model_b"]) == {"ridge"}
    assert len(result.comparisons(against="svm")) == 4
    assert (tests["p_holm"] >= tests["p"]).all()


def test_by_site_scores_the_subjects_of_each_site():
    result = made_up(EQUAL, repeats=2)
    table = result.by_site()
    assert list(table.index) == ["x", "y"]
    assert table["subjects"].tolist() == [200, 200]
    part = result.predictions[result.predictions["subject"].map(result.cohort.sites) == "x"]
    part = part[part["model"] == "fusion"]
    by_repeat = [roc_auc_score(g["y_true"] == "autism", g["p_autism"]) for _, g in part.groupby("repeat")]
    assert table.loc["x", "fusion"] == pytest.approx(np.mean(by_repeat))
    with pytest.raises(InvalidOption, match="metric"):
        result.by_site("f1")


def test_folds_of_one_class_have_no_auc_and_break_nothing():
    result = made_up(EQUAL, single=True)
    assert result.best_baseline() == "ridge"
    table = result.table()
    assert table.loc["fusion", "auc"] == "n/a"
    assert table.loc["fusion", "accuracy"] != "n/a"
    assert "nothing can be said" in result.verdict()
    assert result.by_site().shape == (2, 6)


def test_repr_names_no_person():
    assert repr(made_up(EQUAL)) == "CrossValidation(5 models, 10 folds, 400 subjects)"


def test_a_panel_with_a_graph_model_in_it_is_no_baseline(monkeypatch):
    ridge, graph = gf.Ridge(("smri",)), gf.PopulationClassifier()
    wrapped = gf.ConformalClassifier(gf.choose(graph, {"hidden": [(4,), (8,)]}))
    made = {"linear": gf.LateFusion({"a": ridge}), "late": gf.LateFusion({"a": graph}), "wrapped": wrapped}
    made["deep"] = gf.Stacking({"a": gf.LateFusion({"b": graph}), "c": ridge})
    for name, model in made.items():
        monkeypatch.setitem(ESTIMATORS, name, model)
    result = made_up(dict.fromkeys(made, 0.5))
    assert [result.role(name) for name in made] == ["baseline", "fusion", "graph", "fusion"]
