from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import graphfuse as gf
from graphfuse.errors import UnreadableFile
from graphfuse.evaluate.models import models_by_name
from graphfuse.evaluate.run_folder import read_arguments, read_run, read_table, write_run, write_table

NAMES = ["majority", "ridge-smri", "fusion"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with hostile ids, written to its folder."""
    cohort = gf.simulate_cohort(40, n_frames=(30, 30), leak_column=True, seed=0).cohort
    ids = [f"s{i:02d}" for i in range(len(cohort))]
    ids[:6] = ["=1+1", "'=quoted", "-0012", "@x", "0007", "NA"]
    cohort = gf.Cohort(
        cohort.phenotypes.set_axis(ids, axis=0), cohort.signals, "diagnosis", cohort.classes, site="site",
        exclusions=pd.DataFrame({"subject": ["+5", "z"], "reason": ["12 frames", "=HYPERLINK()"]}),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("run")
    models = models_by_name(cohort, NAMES)
    models["fusion"].set_params(epochs=2, hidden=(4,), width=4)
    result = gf.cross_validate(models, cohort, gf.Splits(folds=2, repeats=2), baselines="none", out=folder)
    write_run(result, folder, {"cohort": "a.toml", "jobs": 1})
    return cohort, result, folder


def test_a_run_comes_back_as_it_was(run):
    cohort, result, folder = run
    back = read_run(folder, cohort)
    assert_frame_equal(back.predictions, result.predictions, check_dtype=False)
    assert np.array_equal(back.predictions["p_autism"], result.predictions["p_autism"])  # to the last bit
    assert_frame_equal(back.folds, result.folds, check_dtype=False)
    assert_frame_equal(back.leaks, result.leaks, check_dtype=False)
    assert_frame_equal(back.seconds, result.seconds, check_dtype=False)
    assert_frame_equal(back.scores, result.scores)
    assert back.splits == result.splits
    assert back.verdict() == result.verdict()
    assert set(back.fitted) == set(result.fitted) == {("fusion", r, f) for r in (0, 1) for f in (0, 1)}
    for key, model in result.fitted.items():
        assert np.array_equal(back.fitted[key].predict_proba(cohort), model.predict_proba(cohort))


def test_the_files_are_those_of_the_design_and_whole(run):
    _, _, folder = run
    names = {path.name for path in folder.iterdir() if path.is_file()}
    tables = {"predictions", "scores", "folds", "comparisons", "exclusions", "leaks", "steps", "seconds"}
    assert names == {f"{table}.tsv" for table in tables | {"calibration", "sites"}} | {"run.json", "local.json"}
    assert not [path for path in folder.rglob("*") if "draft" in path.name]
    assert list(pd.read_csv(folder / "scores.tsv", sep="\t"))[:5] == ["model", "metric", "mean", "low", "high"]
    wanted = ["model_a", "model_b", "metric", "difference", "low", "high", "p", "p_holm"]
    assert list(pd.read_csv(folder / "comparisons.tsv", sep="\t")) == wanted


def test_no_cell_would_run_in_a_spreadsheet(run):
    _, result, folder = run
    for path in folder.glob("*.tsv"):
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
        for column in table.columns[table.columns.isin(["subject", "reason", "model", "y_true", "column"])]:
            assert not table[column].str.startswith(("=", "+", "-", "@")).any()
    exclusions = read_table(folder / "exclusions.tsv")
    assert_frame_equal(exclusions, result.cohort.exclusions, check_dtype=False)


def test_run_json_says_what_was_run(run):
    _, result, folder = run
    record = json.loads((folder / "run.json").read_text())
    assert record["arguments"] == {"cohort": "a.toml", "jobs": 1} == read_arguments(folder)
    assert record["modes"] == dict.fromkeys(NAMES, "inductive")
    assert record["together"] is False
    assert record["seeds"] == {"majority": None, "ridge-smri": None, "fusion": 0}
    assert record["splits"]["repeats"] == 2
    assert {"python", "graphfuse", "torch"} <= set(record["versions"])
    assert set(record["inputs"]) == {"phenotypes", "signals.fmri", "signals.smri"}
    assert "ados_like" in result.leaks["column"].to_numpy()


@pytest.mark.parametrize(
    "cell",
    ["=1", "'=1", "''=1", "'", "'a", "a'", "-", "\t=x", "a\tb", "a\nb", "\r=x", "a\rb", '"q"', "007", "NA", "nan", "ü"],
)
def test_text_survives_to_the_letter(tmp_path, cell):
    table = pd.DataFrame({"subject": [cell, "plain"], "value": [-1.5, np.nan]})
    write_table(table, tmp_path / "t.tsv")
    assert_frame_equal(read_table(tmp_path / "t.tsv"), table, check_dtype=False)
    assert list(tmp_path.iterdir()) == [tmp_path / "t.tsv"]


def test_numbers_are_untouched(tmp_path):
    table = pd.DataFrame({"difference": [-0.1, 1 / 3, 1e-300], "fold": [0, 1, 2]})
    write_table(table, tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text().splitlines()[1].startswith("-0.1\t")
    assert np.array_equal(read_table(tmp_path / "t.tsv")["difference"], table["difference"])


def test_a_folder_without_a_finished_run_is_refused(tmp_path, run):
    cohort, result, _ = run
    with pytest.raises(UnreadableFile, match=r"predictions\.tsv"):
        read_run(tmp_path, cohort)
    with pytest.raises(UnreadableFile, match=r"run\.json"):
        read_arguments(tmp_path)
    write_run(result, tmp_path, {})
    for content in ("{", "[]", '{"arguments": {}}'):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(UnreadableFile, match=r"run\.json"):
            read_run(tmp_path, cohort)


def test_paths_of_the_machine_are_kept_apart_and_private(run, tmp_path):
    _, result, _ = run
    write_run(result, tmp_path, {"manifest": "/home/jane/c.toml", "root": None, "folds": 2})
    assert "jane" not in (tmp_path / "run.json").read_text()
    assert read_arguments(tmp_path) == {"manifest": "/home/jane/c.toml", "root": None, "folds": 2}
    assert (tmp_path / "local.json").stat().st_mode & 0o777 == 0o600
