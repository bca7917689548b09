from __future__ import annotations

import json

import pandas as pd
import pytest

FAST = "majority,confounds,ridge-smri,fusion"


@pytest.mark.slow
def test_evaluate_writes_every_table_whole(evaluated):
    names = {path.name for path in evaluated.iterdir()}
    tables = ("predictions", "scores", "folds", "comparisons", "importance", "edges", "exclusions", "leaks", "seconds")
    assert {f"{name}.tsv" for name in tables} | {"report.html", "run.json"} <= names
    assert not [path for path in evaluated.rglob("*") if "draft" in path.name]
    predictions = pd.read_csv(evaluated / "predictions.tsv", sep="\t")
    assert list(predictions["model"].unique()) == FAST.split(",")
    assert (predictions.groupby("model")["subject"].nunique() == 60).all()
    assert json.loads((evaluated / "run.json").read_text())["modes"]["fusion"] == "inductive"


@pytest.mark.slow
def test_evaluate_goes_on_where_it_was_killed(run, folder, evaluated, tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in (evaluated / "pieces").glob("*.npz")}
    lost = evaluated / "pieces" / "ridge-smri-0-1.npz"
    lost.unlink()
    scores = (evaluated / "scores.tsv").read_bytes()
    code, *_ = run("evaluate", folder / "cohort.toml", "--out", evaluated, "--models", FAST, "--folds", 3)
    after = {path.name: path.stat().st_mtime_ns for path in (evaluated / "pieces").glob("*.npz")}
    assert code == 0
    assert {name for name in after if after[name] != before[name]} == {lost.name}
    assert (evaluated / "scores.tsv").read_bytes() == scores


@pytest.mark.slow
def test_explain_and_report_read_the_folder_back(run, evaluated):
    importance = (evaluated / "importance.tsv").read_bytes()
    (evaluated / "report.html").unlink()
    assert run("explain", evaluated)[0] == 0
    pictures = ("importance.png", "connectome.png", "connectome.html")
    assert all((evaluated / name).stat().st_size > 10_000 for name in pictures)
    assert 'rel="icon"' not in (evaluated / "connectome.html").read_text()
    assert (evaluated / "importance.tsv").read_bytes() == importance
    assert run("report", evaluated)[0] == 0
    assert (evaluated / "report.html").stat().st_size > 10_000
