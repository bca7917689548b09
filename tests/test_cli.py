import json
import sys
import warnings

import pandas as pd
import pytest

from graphfuse import cli, simulate_cohort, write_cohort

FAST = "majority,confounds,ridge-smri,fusion"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "cohort"
    write_cohort(simulate_cohort(60, n_frames=(60, 70), missing={"smri": 0.1}, seed=1), out)
    return out


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["graphfuse", *map(str, arguments)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit) as stop:
                cli.main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def evaluated(folder, tmp_path_factory):
    """A folder that `evaluate` has written."""
    out = tmp_path_factory.mktemp("run") / "out"
    argv = ["graphfuse", "evaluate", folder / "cohort.toml", "--out", out, "--models", FAST, "--folds", "3"]
    patch = pytest.MonkeyPatch()
    patch.setattr(sys, "argv", list(map(str, argv)))
    with warnings.catch_warnings(action="ignore"), pytest.raises(SystemExit) as stop:
        cli.main()
    patch.undo()
    assert not stop.value.code
    return out


def test_simulate_then_check(run, tmp_path):
    assert run("simulate", tmp_path / "sim", "--subjects", 40)[0] == 0
    code, out, _ = run("check", tmp_path / "sim" / "cohort.toml", "--out", tmp_path / "check")
    assert code == 0
    assert "40 subjects, 4 sites" in out
    assert {path.name for path in (tmp_path / "check").iterdir()} == {"columns.tsv", "exclusions.tsv", "masked.tsv"}


def test_check_exits_with_1_when_somebody_is_left_out(run, folder, tmp_path):
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    table.loc[0, "diagnosis"] = "n/a"
    table.to_csv(folder / "part.tsv", sep="\t", index=False, na_rep="n/a")
    manifest = folder / "part.toml"
    manifest.write_text((folder / "cohort.toml").read_text().replace("participants.tsv", "part.tsv"))
    code, out, err = run("check", manifest)
    assert (code, err) == (1, "")
    assert "Subjects left out: 1" in out


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


def test_fit_inspect_predict(run, folder, tmp_path):
    model = tmp_path / "ridge.safetensors"
    assert run("fit", folder / "cohort.toml", "--model", "ridge-smri", "--out", model)[0] == 0
    code, out, _ = run("inspect", model)
    assert code == 0
    assert "sim-" not in out  # no subject's id
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    table["diagnosis"] = "n/a"  # people to be predicted have no diagnosis yet
    table.to_csv(folder / "new.tsv", sep="\t", index=False)
    new = folder / "new.toml"
    new.write_text((folder / "cohort.toml").read_text().replace("participants.tsv", "new.tsv"))
    code, out, _ = run("predict", model, new)
    table = pd.DataFrame([line.split("\t") for line in out.strip().split("\n")])
    assert code == 0
    assert list(table.iloc[0]) == ["subject", "p_control", "p_autism"]
    assert len(table) == 61


def test_a_wrong_input_is_one_line_and_exit_code_2(run, folder, tmp_path):
    bad = folder / "bad.toml"
    bad.write_text((folder / "cohort.toml").read_text().replace('target = "diagnosis"', 'target = "diagnosi"'))
    for arguments in (
        ("check", bad),
        ("check", tmp_path / "absent.toml"),
        ("evaluate", folder / "cohort.toml", "--out", tmp_path / "o", "--models", "fussion"),
        ("evaluate", folder / "cohort.toml", "--out", tmp_path / "o", "--folds", "100"),
        ("explain", tmp_path),
        ("predict", folder / "participants.tsv", folder / "cohort.toml"),
        ("fit", folder / "cohort.toml", "--model", "population", "--out", tmp_path / "p.safetensors"),
    ):
        code, out, err = run(*arguments)
        assert code == 2, (arguments, out, err)
        assert err.startswith("error: ")
        assert err.count("\n") == 1
    assert not (tmp_path / "p.safetensors").exists()


def test_the_subject_at_fault_is_named_on_the_terminal_only(run, folder, tmp_path):
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    table.loc[1] = table.loc[0]
    table.to_csv(folder / "twice.tsv", sep="\t", index=False)
    manifest = folder / "twice.toml"
    manifest.write_text((folder / "cohort.toml").read_text().replace("participants.tsv", "twice.tsv"))
    code, _, err = run("check", manifest)
    assert code == 2
    assert err.rstrip().endswith(f"(subject {table.iloc[0, 0]})")


def test_atlases_lists_the_ten(run):
    code, out, _ = run("atlases")
    assert code == 0
    assert len(out.strip().split("\n")) >= 11
    assert "harvard-oxford-110" in out
