"""The eight traps of the field: each is refused, or the audit flags it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import KFold

import graphfuse as gf
from graphfuse.audit.audit import audit_pipeline
from graphfuse.audit.pipeline import Pipeline
from graphfuse.errors import LabelLeakageError, LeakageError


def features(cohort: gf.Cohort) -> np.ndarray:
    return cohort.signals["fc"].stack()


def ridge(X, y, train, test) -> np.ndarray:
    positive = RidgeClassifier().fit(X[train], y[train]).decision_function(X[test]) > 0
    return np.column_stack([~positive, positive]).astype(float)


def verdicts(pipeline, cohort, **options) -> dict[str, str]:
    folds = list(gf.Splits(folds=4).split(cohort))
    leaks = gf.leak_columns(cohort.phenotypes.drop(columns="dx"), cohort.y)
    leaks = tuple(leaks.loc[leaks["verdict"] == "leak", "column"])
    found = audit_pipeline(Pipeline("mine", pipeline), cohort, folds, leaks, **{"permutations": 0} | options)
    return {finding.check: finding.verdict for finding in found}


def test_an_honest_function_passes_every_check(noise):
    def honest(cohort, train, test):
        X, y = features(cohort), cohort.y
        chosen = SelectKBest(f_classif, k=20).fit(X[train], y[train]).get_support()
        return ridge(X[:, chosen], y, train, test)

    assert set(verdicts(honest, noise, permutations=8).values()) == {"pass"}


def test_trap_1_selection_on_all_subjects_is_a_leak(noise):
    def leaky(cohort, train, test):
        X, y = features(cohort), cohort.y
        return ridge(SelectKBest(f_classif, k=20).fit_transform(X, y), y, train, test)

    found = verdicts(leaky, noise, permutations=8)
    assert found["label flip"] == "leak"
    assert found["label permutation"] == "leak"  # noise reaches far more than a coin
    assert found["feature swap"] == "leak"


class ReusedSelection:
    """Chooses features in the first fold it sees and goes on with them, as a table of chosen features does."""

    chosen = None

    def __call__(self, cohort, train, test):
        X, y = features(cohort), cohort.y
        if self.chosen is None:
            self.chosen = SelectKBest(f_classif, k=20).fit(X[train], y[train]).get_support()
        return ridge(X[:, self.chosen], y, train, test)


def test_trap_2_a_selection_reused_across_folds_is_a_leak(noise):
    assert verdicts(ReusedSelection(), noise)["label flip"] == "leak"


def test_trap_2_a_selection_that_was_saved_beforehand_is_doubted(noise):
    chosen = np.flatnonzero(SelectKBest(f_classif, k=20).fit(features(noise), noise.y).get_support())
    found = verdicts(lambda cohort, train, test: ridge(features(cohort)[:, chosen], cohort.y, train, test), noise)
    assert found["brought along"] == "doubt"


def test_trap_3_the_epoch_of_the_best_test_score_is_a_leak(noise):
    def leaky(cohort, train, test):
        X, y = features(cohort), cohort.y
        runs = [LogisticRegression(C=10.0**k).fit(X[train], y[train]) for k in range(-6, 3, 2)]
        return max(runs, key=lambda model: model.score(X[test], y[test])).predict_proba(X[test])

    assert verdicts(leaky, noise)["label flip"] == "leak"


def twice(noise: gf.Cohort) -> gf.Cohort:
    """Every fourth person once more, under another id, with a little noise on the scan."""
    again = noise[np.arange(0, len(noise), 4)]
    rng = np.random.default_rng(1)
    X = np.concatenate([features(noise), features(again) + 0.1 * rng.standard_normal(features(again).shape)])
    table = pd.concat([noise.phenotypes, again.phenotypes.set_axis("again-" + again.subjects)])
    table["visitor"] = [*noise.subjects, *again.subjects]
    signal = gf.Signal.pack("vector", list(X), columns=noise.signals["fc"].columns)
    return gf.Cohort(table, {"fc": signal}, target="dx", classes=noise.classes, site="site")


def test_trap_4_a_repeated_person_across_folds_is_found_by_likeness(noise):
    found = gf.run_audit(gf.Ridge(), twice(noise), permutations=0)
    row = found.table.set_index("check").loc["near-duplicates"]
    assert row["verdict"] == "doubt"
    assert len(found.pairs) >= 15
    assert all(
        a == b.removeprefix("again-") for a, b in zip(found.pairs["subject_a"], found.pairs["subject_b"], strict=True)
    )
    assert not re.search(r"s\d\d\d", found.table.to_string())  # ids are in the pairs only


def test_trap_4_a_named_person_on_both_sides_is_refused(noise):
    from dataclasses import replace

    named = replace(twice(noise), group="visitor")
    with pytest.raises(LeakageError, match="on both"):
        gf.cross_validate(gf.Ridge(), named, KFold(3, shuffle=True, random_state=0), baselines="none")
    found = gf.run_audit(gf.Ridge(), named, KFold(3, shuffle=True, random_state=0), permutations=0)
    assert found.verdict == "leak"
    assert found.table.set_index("check").loc["groups", "verdict"] == "leak"
    assert gf.run_audit(gf.Ridge(), named, permutations=0).table.set_index("check").loc["groups", "verdict"] == "pass"


def test_trap_5_siblings_are_asked_for(noise):
    from dataclasses import replace

    families = noise.phenotypes.assign(FAMILY_ID=[f"f{i // 2}" for i in range(len(noise))])
    table = gf.run_audit(gf.Ridge(), replace(noise, phenotypes=families), permutations=0).table
    assert table.set_index("check").loc["families", "verdict"] == "doubt"
    named = replace(noise, phenotypes=families, group="FAMILY_ID")
    assert gf.run_audit(gf.Ridge(), named, permutations=0).table.set_index("check").loc["families", "verdict"] == "pass"
    with pytest.raises(LeakageError):
        gf.cross_validate(gf.Ridge(), named, KFold(3, shuffle=True, random_state=0), baselines="none")


def test_trap_6_the_diagnosis_in_the_harmonisation_is_refused(noise):
    with pytest.raises(LabelLeakageError, match="dx"):
        gf.cross_validate(gf.Ridge(adjust=gf.ComBat(covariates=("dx",))), noise, gf.Splits(folds=3), baselines="none")


def test_trap_6_a_copy_of_the_diagnosis_in_the_harmonisation_is_refused(noise):
    from dataclasses import replace

    copy = replace(noise, phenotypes=noise.phenotypes.assign(cohort_arm=noise.y))
    model = gf.Ridge(adjust=gf.ComBat(covariates=("cohort_arm",)))
    with pytest.raises(LabelLeakageError, match="cohort_arm"):
        gf.cross_validate(model, copy, gf.Splits(folds=3), baselines="none")
    found = gf.run_audit(model, copy, permutations=0)
    assert found.table.set_index("check").loc[["leak columns"]].query("about == 'model'")["verdict"].tolist() == [
        "leak"
    ]


@pytest.mark.parametrize("trap", ["value", "missing"])
def test_traps_7_and_8_a_column_that_leaks_by_value_or_by_absence_is_a_leak(noise, trap):
    from dataclasses import replace

    rng = np.random.default_rng(2)
    severity = noise.y + 0.3 * rng.standard_normal(len(noise))
    if trap == "missing":
        severity = np.where((noise.y == 1) & (rng.random(len(noise)) < 0.9), rng.standard_normal(len(noise)), np.nan)
    cohort = replace(noise, phenotypes=noise.phenotypes.assign(severity=severity))
    with pytest.raises(LabelLeakageError, match="severity"):
        gf.cross_validate(gf.Confounds(("severity",)), cohort, gf.Splits(folds=3), baselines="none")

    def reads_it(cohort, train, test):
        column = cohort.phenotypes["severity"]
        X = np.column_stack([features(cohort), 50 * column.fillna(column.mean()), 50 * column.isna()])
        return ridge(X, cohort.y, train, test)

    assert verdicts(reads_it, cohort)["leak columns"] == "leak"
    named = replace(cohort, confounds=("age", "severity"))
    table = gf.run_audit(gf.Ridge(), named, permutations=0).table
    assert "leak" in set(table.loc[table["check"] == "leak columns", "verdict"])


def test_a_step_that_holds_the_labels_of_test_subjects_is_found(noise):
    class Holds(gf.Ridge):
        def fit(self, cohort, y=None, **options):
            self.memory_ = noise.phenotypes["dx"]
            return super().fit(cohort, y, **options)

    found = gf.run_audit({"holds": Holds()}, noise, permutations=0)
    row = found.table.query("check == 'labels in reach'").iloc[0]
    assert row["verdict"] == "leak"
    assert "memory_" in row["finding"]
