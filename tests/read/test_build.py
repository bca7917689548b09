from __future__ import annotations

import warnings

import numpy as np
import pytest

from graphfuse.errors import (
    AtlasMismatch,
    DuplicateSubjects,
    GraphFuseError,
    GraphFuseWarning,
    InvalidOption,
    ManifestError,
    MissingModality,
    ShortSeries,
    SubjectMismatch,
    TransposedSeries,
    UnknownLabel,
    UnreadableFile,
    UnusableRegion,
)  # fmt: skip
from graphfuse.read import read_cohort


def rows(study, labels=None):
    labels = labels or [1 + i % 2 for i in range(6)]
    return ["ID,SITE,DX,AGE"] + [
        f"{s},X,{y},{10 + i}.5" for i, (s, y) in enumerate(zip(study.ids, labels, strict=True))
    ]


def one_fault(study, kind, words, subject=2):
    """The subject at fault is left out with the reason; strict raises; the id is in no message."""
    cohort = read_cohort(study.toml())
    name = study.ids[subject]
    assert cohort.exclusions["subject"].tolist() == [name]
    assert words in cohort.exclusions["reason"].iloc[0]
    assert name not in cohort.subjects
    assert len(cohort) == 5
    with pytest.raises(kind, match=f"row {subject + 2} of the table") as caught:
        read_cohort(study.toml(), strict=True)
    assert caught.value.subject == name
    assert name not in str(caught.value)
    assert str(study.root) not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_clean_study(study):
    cohort = read_cohort(study.toml(), strict=True)
    assert cohort.subjects.tolist() == study.ids
    assert cohort.classes == ("well", "sick")
    assert cohort.y.tolist() == [1, 0] * 3
    assert cohort.phenotypes["AGE"].tolist() == [10.5 + i for i in range(6)]
    assert len(cohort.exclusions) == 0
    for i, name in enumerate(study.ids):
        np.testing.assert_allclose(cohort.signals["fmri"][i], study.series[name], rtol=1e-6)


def test_order_is_the_order_of_the_table(study):
    study.write_table([rows(study)[0], *rows(study)[:0:-1]])
    cohort = read_cohort(study.toml())
    assert cohort.subjects.tolist() == study.ids[::-1]
    np.testing.assert_allclose(cohort.signals["fmri"][0], study.series[study.ids[-1]], rtol=1e-6)


@pytest.mark.parametrize("blank", ["", "-9999", "-9999.0", "n/a"])
def test_rows_without_a_label_are_excluded_and_counted(study, blank):
    study.write_table(rows(study, [1, 2, blank, 1, 2, 1]))
    cohort = read_cohort(study.toml())
    assert cohort.exclusions["subject"].tolist() == [study.ids[2]]
    assert "no target" in cohort.exclusions["reason"].iloc[0]


def test_codes_compare_as_numbers_and_lists_are_allowed(study):
    study.top = study.top.replace("well = 2", "well = [2, 3]")
    study.write_table(rows(study, ["1.0", "2", "3", "1", "2.0", "1"]))
    assert read_cohort(study.toml()).y.tolist() == [1, 0, 0, 1, 0, 1]


def test_unknown_label(study):
    study.write_table(rows(study, [1, 2, 7, 1, 2, 7]))
    with pytest.raises(UnknownLabel, match=r"row 4 holds '7' \(2 rows") as caught:
        read_cohort(study.toml())
    assert caught.value.subject == study.ids[2]


def test_code_of_two_classes(study):
    study.top = study.top.replace("well = 2", "well = [1, 2]")
    with pytest.raises(ManifestError, match="well and sick"):
        read_cohort(study.toml())


def test_duplicate_ids(study):
    study.write_table([*rows(study), rows(study)[3]])
    with pytest.raises(DuplicateSubjects, match=r"Rows \[4, 8\]") as caught:
        read_cohort(study.toml())
    assert caught.value.subject == study.ids[2]
    assert study.ids[2] not in str(caught.value)


def test_blank_id_and_empty_table(study):
    study.write_table([*rows(study), ",X,1,10"])
    with pytest.raises(SubjectMismatch, match=r"Row 8 .* no id"):
        read_cohort(study.toml())
    study.write_table(rows(study)[:1])
    with pytest.raises(SubjectMismatch, match="no rows"):
        read_cohort(study.toml())


def test_missing_code_never_touches_the_id(study):
    study.top = study.top.replace("-9999", "-9999, 11")
    assert read_cohort(study.toml()).subjects[0] == "011"


def test_unknown_columns(study):
    study.top = study.top.replace('site = "SITE"', 'site = "SITES"')
    with pytest.raises(InvalidOption, match="Did you mean 'SITE'"):
        read_cohort(study.toml())


def test_ids_that_lost_their_zeros(study):
    study.write_table([line.removeprefix("0").removeprefix("0") for line in rows(study)])
    with pytest.raises(SubjectMismatch, match="6 would match by their digits") as caught:
        read_cohort(study.toml())
    assert caught.value.suggested["011"] == "11"
    study.fmri += 'match = "digits"\n'
    assert len(read_cohort(study.toml())) == 6


def test_a_file_of_nobody(study):
    study.write_series("stranger", study.series["011"])
    with pytest.raises(SubjectMismatch, match="1 of its 7 ids"):
        read_cohort(study.toml())
    study.files = "[files]\nallow_extra = true\n"
    assert len(read_cohort(study.toml())) == 6


def test_a_file_that_is_absent_means_not_acquired(study):
    (study.root / "ts" / "013.1D").unlink()
    cohort = read_cohort(study.toml(), strict=True)
    assert cohort.exclusions.to_numpy().tolist() == [["013", "no fmri data"]]


def test_a_modality_may_be_missing(study):
    lines = ["ID,a,b", *(f"{name},{i},{i * i}.5" for i, name in enumerate(study.ids[1:]))]
    (study.root / "v.csv").write_text("\n".join(lines))
    (study.root / "ts" / "013.1D").unlink()
    study.extra = '[signals.vol]\nkind = "vector"\npath = "v.csv"\n'
    cohort = read_cohort(study.toml())
    assert len(cohort) == 6
    assert cohort.has("fmri").tolist() == [True, True, False, True, True, True]
    assert cohort.has("vol").tolist() == [False] + [True] * 5
    assert cohort.signals["vol"].columns == ("a", "b")
    study.files = "[files]\nallow_missing = false\n"
    cohort = read_cohort(study.toml())
    assert cohort.exclusions.to_numpy().tolist() == [["011", "no vol data"], ["013", "no fmri data"]]
    with pytest.raises(MissingModality, match="row 2"):
        read_cohort(study.toml(), strict=True)


def test_a_modality_that_a_class_lacks(study):
    lines = ["ID,a", *(f"{name},{i}" for i, name in enumerate(study.ids[::2]))]
    (study.root / "v.csv").write_text("\n".join(lines))
    study.extra = '[signals.vol]\nkind = "vector"\npath = "v.csv"\n'
    with pytest.raises(MissingModality, match="class 'well' has vol"):
        read_cohort(study.toml())


def test_truncated_file(study):
    study.write_series("013", study.series["013"][:35], stop="\n0.5\t0.25")
    one_fault(study, UnreadableFile, "line 37 has 2 of 4")


def test_empty_file(study):
    (study.root / "ts" / "013.1D").write_bytes(b"")
    one_fault(study, UnreadableFile, "empty")


def test_short_series(study):
    study.write_series("013", study.series["013"][:29])
    one_fault(study, ShortSeries, "29 frames")


def test_transposed_series(study):
    study.write_series("013", study.series["013"].T, header="")
    one_fault(study, TransposedSeries, "transposed")


def test_wrong_number_of_columns(study):
    study.write_series("013", study.series["013"][:, :3], header="")
    one_fault(study, AtlasMismatch, "3 columns")


def test_series_without_a_usable_region(study):
    study.write_series("013", np.full((40, 4), np.nan))
    one_fault(study, UnusableRegion, "4 of 4")


def test_all_transposed_is_the_fault_of_the_source(study):
    for name, series in study.series.items():
        study.write_series(name, series.T, header="")
    with pytest.raises(TransposedSeries, match=r"signals\.fmri, all subjects \(5 more"):
        read_cohort(study.toml())
    study.fmri += "transposed = true\n"
    np.testing.assert_allclose(read_cohort(study.toml()).signals["fmri"][0], study.series["011"], rtol=1e-6)


def test_region_policies(study):
    study.series["012"][:, 1] = 3.0
    study.write_series("012", study.series["012"])
    study.write_series("013", study.series["013"][:, [0, 1, 3]], header="#10\t#20\t#40")
    cohort = read_cohort(study.toml(), strict=True)
    assert cohort.unusable()[["subject", "region"]].to_numpy().tolist() == [["012", "Left B"], ["013", "Right A"]]
    assert np.isfinite(cohort.signals["fmri"].data).all()
    study.files = '[files]\nregions = "exclude-subject"\n'
    assert read_cohort(study.toml()).exclusions["subject"].tolist() == ["012", "013"]
    study.files = '[files]\nregions = "drop-region"\n'
    assert read_cohort(study.toml()).signals["fmri"].names == ["Left A", "Right B"]


def test_same_series_under_two_ids_warns_and_makes_one_group(study):
    study.write_series("014", study.series["011"])
    with pytest.warns(GraphFuseWarning, match="2 subjects share"):
        cohort = read_cohort(study.toml())
    assert cohort.groups[3] == cohort.groups[0]
    assert len(set(cohort.groups)) == 5


def test_suspicious_code_warns(study):
    study.write_table([line.replace("10.5", "-999").replace("11.5", "-999") for line in rows(study)])
    with pytest.warns(GraphFuseWarning, match=r"AGE \(-999\)"):
        read_cohort(study.toml())


def test_subjects_and_labels_options(study):
    (study.root / "keep.txt").write_text("011\n014\n")
    study.top += 'subjects = "keep.txt"\n'
    cohort = read_cohort(study.toml())
    assert cohort.subjects.tolist() == ["011", "014"]
    assert set(cohort.exclusions["reason"]) == {"not in the list of subjects"}
    (study.root / "keep.txt").write_text("011\n14\n")
    with pytest.raises(SubjectMismatch, match="1 ids of 2"):
        read_cohort(study.toml())
    study.top = study.top.replace('"keep.txt"', '["012"]')
    cohort = read_cohort(study.toml(), labels=False)
    assert cohort.target is None
    assert "DX" not in cohort.phenotypes


def test_unlabelled_people_are_read_for_prediction(study):
    study.write_table(rows(study, [""] * 6))
    assert len(read_cohort(study.toml(), labels=False)) == 6
    with pytest.raises(GraphFuseError):
        read_cohort(study.toml())


def test_connectivity_and_vectors_by_file(study):
    for name in study.ids:
        half = study.rng.normal(size=(4, 4))
        np.save(study.root / f"{name}_w.npy", half + half.T)
        np.save(study.root / f"{name}_v.npy", half[0])
    study.fmri = '[signals.sc]\nkind = "connectivity"\npath = "{ID}_w.npy"\natlas = "four.tsv"\n'
    study.extra = '[signals.v]\nkind = "vector"\npath = "{ID}_v.npy"\n'
    cohort = read_cohort(study.toml(), strict=True)
    assert cohort.signals["sc"].data.shape == (6, 4, 4)
    assert cohort.signals["v"].data.shape == (6, 4)


def test_nothing_left(study):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.top = study.top.replace("missing = [-9999]", 'missing = ["X"]')
        with pytest.raises(MissingModality):
            read_cohort(study.toml())
