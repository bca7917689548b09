from __future__ import annotations

import pandas as pd
import pytest

from graphfuse.errors import DuplicateSubjects, InvalidOption, ManifestError, SubjectMismatch, UnreadableFile
from graphfuse.read.align import id_digits, locate_files, match_ids


def test_exact_match_gives_positions_and_minus_one():
    assert match_ids(["a", None, "c", "a"], ["c", "a"], "s").tolist() == [1, -1, 0, 1]


@pytest.mark.parametrize(
    ("name", "digits"), [("Pitt_0050003", "50003"), ("UM_1_0050272", "50272"), ("x", None), ("00", "0")]
)
def test_digits_of_an_id(name, digits):
    assert id_digits(name) == digits


def test_mismatch_suggests_the_map_and_hides_the_ids():
    with pytest.raises(SubjectMismatch, match="digits") as caught:
        match_ids(["50003", "50004"], ["Pitt_0050003", "Pitt_0050004"], "signals.smri")
    assert caught.value.suggested == {"Pitt_0050003": "50003", "Pitt_0050004": "50004"}
    assert "50003" not in str(caught.value)
    assert "aaaa_00##### is #####" in str(caught.value)
    assert caught.value.subject == "Pitt_0050003"


def test_digits_match_and_refuse_ambiguity():
    assert match_ids(["50004", "50003"], ["Pitt_0050003", "Pitt_0050004"], "s", "digits").tolist() == [1, 0]
    with pytest.raises(SubjectMismatch, match="ambiguous"):
        match_ids(["50003", "0050003"], ["50003"], "s", "digits")
    with pytest.raises(SubjectMismatch, match="ambiguous"):
        match_ids(["50003"], ["A_50003", "B_50003"], "s", "digits")


def test_ids_of_one_source_only():
    with pytest.raises(SubjectMismatch, match="1 of its 2 ids"):
        match_ids(["a"], ["a", "zz"], "s")
    assert match_ids(["a"], ["a", "zz"], "s", allow_extra=True).tolist() == [0]
    with pytest.raises(DuplicateSubjects, match=r"\[1, 3\]"):
        match_ids(["a"], ["a", "b", "a"], "s")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "X").mkdir()
    for name in ("s_0001_ho.1D", "s_0002_ho.1D"):
        (tmp_path / "X" / name).write_text("1")
    return tmp_path


def test_files_by_one_and_by_two_placeholders(folder):
    cells = pd.DataFrame({"site": ["X", "X", "X"], "id": ["0002", None, "0003"]})
    found = locate_files("X/s_{id}_ho.1D", cells, folder, "s", allow_extra=True)
    assert [path and path.name for path in found] == ["s_0002_ho.1D", None, None]
    found = locate_files("{site}/s_{id}_ho.1D", cells, folder, "s", allow_extra=True)
    assert [path and path.name for path in found] == ["s_0002_ho.1D", None, None]


def test_files_that_match_no_row_are_an_error(folder):
    cells = pd.DataFrame({"id": ["1", "2"]})
    with pytest.raises(SubjectMismatch, match="2 would match by their digits"):
        locate_files("X/s_{id}_ho.1D", cells, folder, "s")
    found = locate_files("X/s_{id}_ho.1D", cells, folder, "s", how="digits")
    assert [path.name for path in found] == ["s_0001_ho.1D", "s_0002_ho.1D"]


def test_templates_are_checked(folder):
    cells = pd.DataFrame({"id": ["0001"], "site": ["X"]})
    with pytest.raises(InvalidOption, match="Did you mean 'site'"):
        locate_files("{sites}/{id}.1D", cells, folder, "s")
    with pytest.raises(ManifestError, match="placeholder"):
        locate_files("X/a.1D", cells, folder, "s")
    with pytest.raises(ManifestError, match="one placeholder"):
        locate_files("{site}/{id}.1D", cells, folder, "s", how="digits")
    with pytest.raises(UnreadableFile, match="no file"):
        locate_files("Y/{id}.1D", cells, folder, "s")


def test_a_cell_cannot_climb_out_of_the_folder(folder):
    (folder / "secret_ho.1D").write_text("1")
    cells = pd.DataFrame({"id": ["/../../secret", "../secret"]})
    assert locate_files("X/s_{id}_ho.1D", cells, folder, "s", allow_extra=True) == [None, None]
