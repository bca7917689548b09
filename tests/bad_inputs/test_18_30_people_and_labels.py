"""Bad inputs 18 to 30: ids, codes, labels, folds and sites."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import graphfuse as gf
from graphfuse.errors import (
    ClassTooSmall,
    ConfoundedSite,
    DuplicateSubjects,
    GraphFuseError,
    GraphFuseWarning,
    LeakageError,
    ManifestError,
    MissingModality,
    SingleClassFold,
    SiteTooSmall,
    SubjectMismatch,
    UnknownLabel,
    UnseenSite,
)  # fmt: skip
from graphfuse.evaluate.metrics import score_all
from graphfuse.harmonise import ComBat, LocationScale


def people(n=40, site=None, y=None) -> gf.Cohort:
    """People with a vector of 20 values each."""
    y = np.arange(n) % 2 if y is None else y
    table = pd.DataFrame({"dx": np.array(["well", "sick"])[y]}, index=[f"s{i}" for i in range(n)])
    table["site"] = np.array(["A", "B"])[np.arange(n) // 2 % 2] if site is None else site
    rng = np.random.default_rng(0)
    table["ADOS_TOTAL"] = 10.0 * y + rng.random(n)
    signal = gf.Signal.pack("vector", list(rng.normal(size=(n, 20))), columns=[f"v{i}" for i in range(20)])
    return gf.Cohort(table, {"v": signal}, "dx", ("well", "sick"), "site")


def test_18_duplicate_ids_are_an_error_that_lists_the_rows(study):
    study.rows[3][0] = study.ids[1]
    with pytest.raises(DuplicateSubjects, match=r"Rows \[3, 5\]") as caught:
        study.read()
    assert caught.value.subject == study.ids[1]
    assert study.ids[1] not in str(caught.value)


def test_19_an_id_is_text_and_lost_zeros_or_a_prefix_are_an_error_with_the_map(study, refused):
    assert study.read().subjects.tolist() == study.ids
    for row in study.rows:
        row[0] = row[0].lstrip("0")
    error = refused(SubjectMismatch, r"0## is ## in the table.*match = \"digits\"")
    assert error.suggested == {f"0{i}": str(i) for i in range(11, 17)}
    for name in study.ids:
        path = study.root / "ts" / f"{name}.1D"
        path.rename(path.with_name(f"Pitt_00{name}.1D"))
    refused(SubjectMismatch, r"aaaa_000##.* is ## in the table")
    study.fmri += 'match = "digits"\n'
    assert len(study.read(strict=True)) == 6


def test_20_files_of_nobody_are_an_error_until_they_are_allowed(study, refused):
    study.series("099", np.random.default_rng(0).normal(size=(40, 4)))
    refused(SubjectMismatch, "1 of its 7 ids match no row.*allow_extra")
    study.files = "[files]\nallow_extra = true\n"
    assert len(study.read(strict=True)) == 6


def test_20_people_without_a_file_are_left_out_and_counted(study):
    (study.root / "ts" / f"{study.ids[1]}.1D").unlink()
    cohort = study.read()
    assert cohort.exclusions.to_numpy().tolist() == [[study.ids[1], "no fmri data"]]
    study.files = "[files]\nallow_missing = false\n"
    with pytest.raises(MissingModality, match="row 3 of the table") as caught:
        study.read(strict=True)
    assert caught.value.subject == study.ids[1]


@pytest.mark.parametrize("code", ["-9999", "-999", "999", "n/a", ""])
def test_21_declared_codes_are_missing_and_others_are_warned_of(study, code):
    for row in study.rows[:2]:
        row[3] = code
    if code.strip("-").isdigit():
        with pytest.warns(GraphFuseWarning) as caught:  # 999 is no age either, and is warned of twice
            study.read()
        assert f"AGE ({code})" in str(caught[0].message)
        study.top += f"missing = [{code}]\n"
    assert study.read().phenotypes["AGE"].isna().tolist() == [True, True] + [False] * 4


def test_21_a_negative_code_among_large_values_is_warned_of(study):
    for i, row in enumerate(study.rows):
        row.append("-9999" if i < 2 else str(30000 + i))
    text = study.toml().read_text()
    people_csv = study.root / "people.csv"
    people_csv.write_text(people_csv.read_text().replace("AGE", "AGE,VOLUME", 1))
    (study.root / "cohort.toml").write_text(text)
    with pytest.warns(GraphFuseWarning, match=r"VOLUME \(-9999\)"):
        gf.read_cohort(study.root / "cohort.toml")


def test_22_a_missing_label_is_left_out_and_never_a_class(study):
    study.rows[2][2], study.rows[4][2] = "", "n/a"
    cohort = study.read()
    assert cohort.exclusions["reason"].tolist() == ["no target (DX is missing)"] * 2
    assert cohort.y.tolist() == [1, 0, 0, 0]


def test_23_numeric_codes_need_a_mapping(study, refused):
    study.coding = ""
    refused(ManifestError, "class coding")
    study.coding = "classes = { sick = 1, well = 0 }\n"  # the table holds 1 and 2
    with pytest.raises(UnknownLabel, match=r"well = 0, sick = 1; row 3 holds '2'"):
        study.read()


@pytest.mark.parametrize("label", ["3", "sikc", "1.5"])
def test_24_a_third_class_or_a_typo_is_an_error(study, label):
    study.rows[1][2] = label
    with pytest.raises(UnknownLabel, match=rf"row 3 holds '{label}'.*Extend classes") as caught:
        study.read()
    assert caught.value.subject == study.ids[1]


def test_25_a_leak_column_among_edges_or_covariates_is_an_error():
    cohort = people()
    assert gf.leak_columns(cohort.phenotypes.drop(columns="dx"), cohort.y).query("verdict == 'leak'")[
        "column"
    ].tolist() == ["ADOS_TOTAL"]
    for graph in (gf.PopulationGraph(within={"ADOS_TOTAL": 2}), gf.PopulationGraph(same=("dx",))):
        model = gf.PopulationClassifier(graph=graph, epochs=2, members=1)
        with pytest.raises(LeakageError, match=r"ADOS_TOTAL|dx"):
            gf.cross_validate(model, cohort, gf.Splits(folds=2), baselines="none")
    for name, seen in {"dx": cohort, "ADOS_TOTAL": cohort.blind(drop=("ADOS_TOTAL",))}.items():
        with pytest.raises(LeakageError, match=name):
            LocationScale(covariates=(name,)).fit(cohort.signals["v"].stack(), seen, cohort.y)


def test_26_a_fold_of_one_class_is_an_error_and_its_auc_is_not_available():
    site = np.where(np.arange(40) % 2 == 0, "A", "B")  # site is class
    with pytest.raises(SingleClassFold, match=r"one class|classes"):
        list(gf.Splits(leave_site_out=True).split(people(site=site)))
    scores = score_all(np.zeros(4, int), np.full((4, 2), 0.5))
    assert np.isnan(scores["auc"])
    assert np.isfinite(scores["accuracy"])


def test_27_a_class_smaller_than_the_folds_is_an_error():
    y = (np.arange(40) < 3).astype(int)
    with pytest.raises(ClassTooSmall, match=r"'sick'.*3.*folds"):
        list(gf.Splits(folds=5).split(people(y=y)))


def test_28_a_site_of_one_subject_is_pooled_or_an_error():
    cohort = people(site=["C"] + ["A", "B"] * 19 + ["A"])
    X = cohort.signals["v"].stack()
    for step in (ComBat(small_sites="error"), LocationScale(small_sites="error", min_site=2)):
        with pytest.raises(SiteTooSmall, match="1 of 3 sites have fewer"):
            step.fit(X, cohort)
    for step in (ComBat(), LocationScale()):
        assert np.isfinite(step.fit(X, cohort).transform(X, cohort)).all()


def test_29_a_site_that_training_lacks_follows_the_policy():
    cohort = people(site=["A", "B"] * 10 + ["C"] * 20)
    X, train, test = cohort.signals["v"].stack(), np.arange(20), np.arange(20, 40)
    fitted = LocationScale(min_site=5).fit(X[train], cohort[train])
    with pytest.raises(UnseenSite, match="on_unseen") as caught:
        fitted.transform(X[test], cohort[test])
    assert "C" not in str(caught.value).split()
    kept = LocationScale(on_unseen="reference", min_site=5).fit(X[train], cohort[train])
    np.testing.assert_allclose(kept.transform(X[test], cohort[test]), X[test], atol=1e-6)


def test_30_a_site_that_is_the_class_is_an_error_and_a_near_one_a_warning():
    y = np.arange(40) % 2
    cohort = people(site=np.where(y, "A", "B"))
    for step in (ComBat(), LocationScale()):
        with pytest.raises(ConfoundedSite, match="one class"):
            step.fit(cohort.signals["v"].stack(), cohort, cohort.y)
    site = np.where(y, "A", "B")
    site[:4] = "A"
    near = people(site=site)
    with pytest.warns(GraphFuseWarning, match="entangled"):
        LocationScale().fit(near.signals["v"].stack(), near, near.y)


def test_plus_the_same_image_under_two_ids_is_warned_of_and_stays_on_one_side(study):
    study.images()
    path = study.root / "img"
    (path / f"{study.ids[2]}.nii.gz").write_bytes((path / f"{study.ids[0]}.nii.gz").read_bytes())
    with pytest.warns(GraphFuseWarning, match="2 subjects share their data") as caught:
        cohort = study.read()
    assert cohort.groups[0] == cohort.groups[2] != cohort.groups[1]
    assert not any(name in str(warning.message) for warning in caught for name in study.ids)


def test_plus_ages_in_months_are_warned_of_by_their_range(study):
    study.rows[0][3] = "246"
    with pytest.warns(GraphFuseWarning, match="1 ages above 120: months"):
        study.read()


def test_plus_ages_in_months_at_one_site_are_warned_of(study):
    for row, age in zip(study.rows, [100, 110, 9, 10, 105, 115], strict=True):
        row[3] = str(age)
    with pytest.warns(GraphFuseWarning, match="11 times higher at one site"):
        study.read()


def test_every_error_of_the_program_is_a_value_error():
    from graphfuse import errors

    named = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)]
    assert all(issubclass(item, (GraphFuseError, Warning)) for item in named if item.__module__ == errors.__name__)
    assert issubclass(GraphFuseError, ValueError)
