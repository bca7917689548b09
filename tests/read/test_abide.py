from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphfuse.atlas import load_atlas
from graphfuse.errors import GraphFuseError, InvalidOption, SubjectMismatch, UnreadableFile
from graphfuse.read import fetch_abide, load_abide, read_cohort
from graphfuse.read.abide import SITE_T_R, TABLE

REPOSITORY = Path(__file__).parents[2]
ATLAS = load_atlas("harvard-oxford-110")
COLUMNS = "Unnamed: 0,SUB_ID,SITE_ID,FILE_ID,DX_GROUP,AGE_AT_SCAN,SEX,FIQ,func_mean_fd,func_perc_fd"


@pytest.fixture
def published(tmp_path):
    """Made-up people in the layout that nilearn leaves."""
    rng = np.random.default_rng(0)
    lines, ids = [COLUMNS], [f"5000{i}" for i in range(6)]
    folder = tmp_path / "ABIDE_pcp" / "cpac" / "nofilt_noglobal"
    folder.mkdir(parents=True)
    header = "\t".join(f"#{label}" for label in [3455, *ATLAS.regions["label"]])
    for i, name in enumerate(ids):
        site = ("PITT", "UM_1")[i % 2]
        file_id = f"{site.title()}_00{name}" if i else "no_filename"
        lines.append(f"{i},{name},{site},{file_id},{1 + i // 2 % 2},1{i}.5,1,{-9999 if i == 3 else 100},0.{i}1,{i}.5")
        if i:
            np.savetxt(folder / f"{file_id}_rois_ho.1D", rng.normal(size=(40, 111)), delimiter="\t", header=header,
                       comments="", fmt="%.6g")  # fmt: skip
    (tmp_path / "ABIDE_pcp" / TABLE).write_text("\n".join(lines) + "\n")
    (tmp_path / "freesurfer").mkdir()
    dk = load_atlas("desikan-killiany-68").names
    names = [f"{name}_{measure}" for measure in ("thickness", "area", "volume") for name in dk]
    table = [",".join(["SUB_ID", *names])]
    table += [",".join([name, *(f"{v:.5g}" for v in rng.uniform(1, 4, len(names)))]) for name in ids[1:]]
    (tmp_path / "freesurfer" / "desikan.csv").write_text("\n".join(table) + "\n")
    return tmp_path


def test_layout_of_nilearn(published):
    cohort = load_abide(published)
    assert cohort.classes == ("control", "autism")
    assert cohort.exclusions["subject"].tolist() == ["50000"]
    assert cohort.y.tolist() == [1, 0, 0, 1, 1]
    assert cohort.signals["fmri"].n_regions == 110
    assert cohort.signals["smri"].data.shape == (5, 68, 3)
    assert cohort.signals["fmri"].t_r.tolist() == [2.0, 1.5, 2.0, 1.5, 2.0]
    assert np.isnan(cohort.phenotypes.loc["50003", "FIQ"])
    assert "Unnamed: 0" not in cohort.phenotypes
    inner = load_abide(published / "ABIDE_pcp", smri=False, subjects=["50001", "50004"], t_r=3.0)
    assert inner.subjects.tolist() == ["50001", "50004"]
    assert list(inner.signals) == ["fmri"]
    assert inner.signals["fmri"].t_r.tolist() == [3.0, 3.0]


def test_options_and_errors(published):
    (published / "tr.csv").write_text("SITE_ID,TR\nPITT,1.25\nUM_1,1\n")
    (published / "some.txt").write_text("50001\n50002\n")
    cohort = load_abide(published, t_r=published / "tr.csv", subjects=published / "some.txt", regions="drop-region")
    assert cohort.signals["fmri"].t_r.tolist() == [1.0, 1.25]
    with pytest.raises(UnreadableFile, match=TABLE):
        load_abide(published / "freesurfer")
    with pytest.raises(InvalidOption, match="pipeline"):
        load_abide(published, pipeline="dparsf")
    with pytest.raises(InvalidOption, match="strategy"):
        load_abide(published, strategy="filt_global")
    with pytest.raises(InvalidOption, match="atlas"):
        load_abide(published, atlas="power-264")
    with pytest.raises(SubjectMismatch):
        load_abide(published, subjects=["0050001"])
    with pytest.raises(GraphFuseError):
        load_abide(published, smri=published / "none.csv")


def test_example_manifest_agrees_with_load_abide(published):
    names = (published / "freesurfer" / "desikan.csv").read_text().splitlines()
    aseg = ["SUB_ID,CSF", *(f"{line.split(',')[0]},{i}.5" for i, line in enumerate(names[1:]))]
    (published / "freesurfer" / "aseg.csv").write_text("\n".join(aseg))
    cohort = read_cohort(REPOSITORY / "examples" / "abide.toml", root=published)
    other = load_abide(published, aseg=published / "freesurfer" / "aseg.csv")
    assert cohort.phenotypes.equals(other.phenotypes)
    assert (cohort.classes, cohort.confounds, cohort.site) == (other.classes, other.confounds, other.site)
    for name in ("fmri", "smri", "aseg"):
        np.testing.assert_array_equal(cohort.signals[name].data, other.signals[name].data)
    np.testing.assert_array_equal(cohort.signals["fmri"].t_r, other.signals["fmri"].t_r)


def test_fetch_calls_nilearn_then_loads(published, monkeypatch):
    asked = {}
    monkeypatch.setattr("nilearn.datasets.fetch_abide_pcp", lambda **options: asked.update(options))
    cohort = fetch_abide(published, n_subjects=5, smri=False)
    assert len(cohort) == 5
    assert asked["derivatives"] == ["rois_ho"]
    assert (asked["quality_checked"], asked["n_subjects"], asked["data_dir"]) == (False, 5, str(published))
    with pytest.raises(InvalidOption, match="nofilt_noglobal"):
        fetch_abide(published, global_signal_regression=True)


def test_sites_have_a_repetition_time():
    assert len(SITE_T_R) == 20
    assert all(0.5 < t_r <= 3 for t_r in SITE_T_R.values())


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """A few real subjects: the folder that GRAPHFUSE_REAL_DATA names, or 40 unpacked from ../shared/abide1."""
    named = os.environ.get("GRAPHFUSE_REAL_DATA")
    if named:
        return Path(named)
    unpack = REPOSITORY.parent / "shared" / "abide1" / "unpack"
    if not unpack.is_file():
        pytest.skip("real ABIDE I data are absent: set GRAPHFUSE_REAL_DATA to the folder that holds ABIDE_pcp")
    out = tmp_path_factory.mktemp("abide")
    subprocess.run([sys.executable, str(unpack), str(out), "--subjects", "40"], check=True, capture_output=True)
    return out


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::graphfuse.errors.GraphFuseWarning")
def test_real_people(real):
    files = sorted((real / "ABIDE_pcp" / "cpac" / "nofilt_noglobal").glob("*.1D"))
    cohort = load_abide(real, smri=False)
    assert len(cohort) == len(files)
    assert len(cohort) + len(cohort.exclusions) == 1112
    file_id = cohort.phenotypes["FILE_ID"].iloc[0]
    path = next(path for path in files if path.name.startswith(file_id))
    header = path.read_text().split("\n", 1)[0].split("\t")
    raw = np.loadtxt(path, skiprows=1)
    expected = raw[:, [header.index(f"#{label}") for label in ATLAS.regions["label"]]]
    np.testing.assert_allclose(cohort.signals["fmri"][0], expected, rtol=1e-5)
    assert set(cohort.unusable()["modality"]) <= {"fmri"}
